/* Preloaded into a process, shifts its wall clock by the milliseconds that stand in the file CHAOS_CLOCK (one int64,
 * which may change at any time). Monotonic clocks are left alone, as a jump of the real clock leaves them.
 * Only raw system calls: some allocators ask for the time before the C library is ready. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift_ms;
static int looked;

static void shift(struct timespec *now)
{
    if (!looked) {
        const char *path = getenv("CHAOS_CLOCK");
        looked = 1;
        if (path) {
            int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
            if (file >= 0) {
                long page = syscall(SYS_mmap, NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
                if (page > 0) shift_ms = (const volatile int64_t *)page;
                syscall(SYS_close, file);
            }
        }
    }
    if (!shift_ms) return;
    int64_t by = *shift_ms;
    now->tv_sec += by / 1000;
    now->tv_nsec += by % 1000 * 1000000;
    if (now->tv_nsec >= 1000000000) { now->tv_nsec -= 1000000000; now->tv_sec++; }
    if (now->tv_nsec < 0) { now->tv_nsec += 1000000000; now->tv_sec--; }
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(now);
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}

/* Preloaded into a server, makes it believe that its files are on the disk: the control that must lose something. */
int fsync(int file) { (void)file; return 0; }
int fdatasync(int file) { (void)file; return 0; }

"""Who is measured."""

from contenders.contender import Contender, Promises
from contenders.limits import LIMITS
from contenders.own import ENGINES, PLAIN, REDIS, predictq
from contenders.queues import QUEUES
from contenders.servers import SERVERS

__all__ = ["ENGINES", "LIMITS", "PLAIN", "QUEUES", "REDIS", "SERVERS", "Contender", "Promises", "predictq"]

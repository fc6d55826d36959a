"""Who is measured."""

from contenders.contender import Contender, Promises
from contenders.limits import LIMITS
from contenders.own import ENGINES, REDIS, predictq
from contenders.queues import QUEUES
from contenders.servers import SERVERS

__all__ = ["ENGINES", "LIMITS", "QUEUES", "REDIS", "SERVERS", "Contender", "Promises", "predictq"]

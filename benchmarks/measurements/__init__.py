"""What is measured, part by part, in this order."""

from measurements.backlog import BACKLOG
from measurements.bulk import BULK
from measurements.case import Case, Part
from measurements.latency import LATENCY
from measurements.memory import MEMORY
from measurements.models import MODELS
from measurements.popularity import POPULARITY
from measurements.scaling import SCALING
from measurements.single_rows import ENGINES_PART, PEERS_PART
from measurements.sizing import SIZING

__all__ = ["PARTS", "Case", "Part"]

PARTS = (ENGINES_PART, PEERS_PART, LATENCY, BULK, MODELS, BACKLOG, POPULARITY, SCALING, SIZING, MEMORY)

"""What the processes of soakproof share: the files of a recording and the lines they exchange.

Nothing goes in; names, units and records come out. It imports nothing of ours but the errors and ``regular_files``.
"""

from soak.contract.columns import *
from soak.contract.evidence import *
from soak.contract.files import *
from soak.contract.gates import *
from soak.contract.injection import *
from soak.contract.live import *
from soak.contract.process_sum import *
from soak.contract.protocol import *
from soak.contract.replay import *
from soak.contract.roles import *
from soak.contract.traffic import *

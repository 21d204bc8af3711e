"""A pod that comes and goes all the time, as long as people are promised."""
import time

from client import Paced
from harness import wait_for
from test_outlier import CONNECTIONS, rules, start

# Slow: it takes its minute, beside all the rest.


def test_a_pod_that_flaps(shop, app):
    """Dies and comes back every second for a minute: with one retry nobody
    notices."""
    apps = [app("1") for _ in range(3)]
    p = start(shop, [a.port for a in apps], 1,
              outlier=rules(eject="1s", max_eject="2s"))
    load = Paced(p.port, 200, CONNECTIONS).load.start()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        apps[0].kill()
        time.sleep(0.5)
        apps[0].start()
        time.sleep(0.5)
    load.stop()
    assert load.failures() == []
    wait_for(lambda: set(p.pods("v1").values()) == {"up"}, "all are back")

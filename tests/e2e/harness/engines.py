"""Real engines that gateways write to and ask."""

import contextlib
import signal
import urllib.request

from harness.gateway import until
from harness.processes import daemon

VICTORIA, PROMETHEUS = "victoria-metrics", "prometheus"
ENGINES = ["victoria", "prometheus"]


@contextlib.contextmanager
def engine(kind, directory, port):
    """A real engine on a port and directory that outlive it; the answer is its origin."""
    directory.mkdir(exist_ok=True)
    if kind == "victoria":
        command = (VICTORIA, f"-storageDataPath={directory}/data", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y",
                   "-search.latencyOffset=0s", "-search.disableCache", "-memory.allowedBytes=256MB")
        health = "/health"
    else:
        (directory / "prometheus.yml").write_text("global: {}\n")
        command = (PROMETHEUS, f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
                   f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver")
        health = "/-/ready"

    def is_ready():
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{port}{health}", timeout=10).status == 200
        return False

    with daemon(*command) as process:
        until(lambda: is_ready() or process.poll() is not None, f"{kind} is ready", 30)
        assert process.poll() is None
        yield f"127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        process.wait(20)

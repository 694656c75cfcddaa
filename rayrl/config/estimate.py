"""`estimate`: the rates that `--dry-run` reckons the time of a step from."""

from pydantic import Field

from rayrl.config.settings import Settings


class EstimateSettings(Settings):
    """What `--dry-run` reckons the time of a step on GPUs from; a run itself does not read it. The defaults are an H100
    SXM's data sheet, in nodes of eight, and shares of it that such work commonly reaches."""

    completion_tokens: int | None = Field(None, ge=1)
    """Mean tokens of a completion. None: `sampling.max_tokens`, the most there can be."""
    tflops: float = Field(989.0, gt=0)
    """Peak of a GPU's dense bfloat16 matmuls, in TFLOP/s."""
    compute_share: float = Field(0.4, gt=0, le=1)
    """Share of it that training reaches, what is computed twice counted twice."""
    hbm_gb: float = Field(80.0, gt=0)
    """Memory of a GPU, in GB."""
    hbm_tb_s: float = Field(3.35, gt=0)
    """Peak rate of that memory, in TB/s."""
    hbm_share: float = Field(0.6, gt=0, le=1)
    """Share of it that sampling reaches."""
    gpus_per_node: int = Field(8, ge=1)
    """GPUs of one machine."""
    link_gb_s: float = Field(450.0, gt=0)
    """From one GPU to others of its node (NVLink; PCIe 5: 64), in one direction, in GB/s."""
    network_gb_s: float = Field(400.0, gt=0)
    """From one node to others (eight ports of 400 Gb/s; Ethernet of 100 Gb/s: 12.5), in one direction, in GB/s."""
    link_share: float = Field(0.7, gt=0, le=1)
    """Share of both that collectives reach."""
    host_gb_s: float = Field(3.0, gt=0)
    """One copy of weights within host memory, or between it and a GPU, in GB/s: of unpinned memory, by one thread."""

    @property
    def flops(self) -> float:
        """FLOP/s of one GPU."""
        return 1e12 * self.tflops * self.compute_share

    @property
    def hbm(self) -> float:
        """Bytes/s of one GPU's memory."""
        return 1e12 * self.hbm_tb_s * self.hbm_share

    @property
    def link(self) -> float:
        """Bytes/s from one GPU to its node's others."""
        return 1e9 * self.link_gb_s * self.link_share

    @property
    def host(self) -> float:
        """Bytes/s of one copy through host memory."""
        return 1e9 * self.host_gb_s

    @property
    def network(self) -> float:
        """Bytes/s from one node to others."""
        return 1e9 * self.network_gb_s * self.link_share

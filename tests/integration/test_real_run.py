"""Real Ray, real vLLM, the embedded model: a run of the command line, held against the learner it trained."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from rayrl.errors import SyncError
from rayrl.models import EMBEDDED, resolve_model
from rayrl.types import Sampling
from tests.conftest import PATIENCE, ROOT, Command
from tests.fakes.deadlines import deadlines
from tests.fakes.model import make_model

pytestmark = pytest.mark.integration
Start = Callable[..., Command]


@pytest.fixture
def demo(tmp_path: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "configs/demo/grpo.yaml").read_text())
    config["run"] |= {"name": "demo", "dir": str(tmp_path / "runs"), "deadlines": deadlines(200 * PATIENCE)}
    config["eval_data"]["size"] = 16
    config.setdefault("generator", {})["threads"] = 1
    config |= {"steps": 3, "prompts_per_step": 8, "group_size": 8}
    config["checkpoint"] = {"every_steps": 2}
    return config


@pytest.mark.timeout(800)
def test_a_run_survives_killed_generators_and_engines_and_ctrl_c_ends_everything_soon(
    rayrl: Start, demo: dict[str, Any]
) -> None:
    demo["max_staleness"] = 1
    run = rayrl("grpo", demo, "--steps", 100)
    run.wait_for(lambda: len(run.records("step")) >= 1, 300, "the first step")
    for kill in (kill_generator, kill_engine):
        seen = len(run.records("step"))
        kill(run)
        run.wait_for(lambda seen=seen: len(run.records("step")) >= seen + 3, 300, f"three steps after {kill.__name__}")
    run.interrupt()
    steps = run.records("step")
    assert [record["step"] for record in steps] == list(range(1, len(steps) + 1))
    # bfloat16 rounding between vLLM and the learner; one update apart adds a little, a broken load several nats.
    # (A step whose groups all earned the same has nothing to learn from, and is not measured.)
    differences = [record["sync/logprob_diff_mean"] for record in steps if "sync/logprob_diff_mean" in record]
    assert differences
    assert all(0 < difference < 0.2 for difference in differences)
    assert max(record["policy/staleness_max"] for record in steps) == 1
    assert "actor_lost" in {record["event"] for record in run.records("event")}
    assert "<script" in (run.run_dir / "report.html").read_text()


def kill_generator(run: Command) -> None:
    """SIGKILLs the generator actor; its vLLM processes must go with it."""
    os.kill(generator_pid(run), signal.SIGKILL)


def kill_engine(run: Command) -> None:
    """SIGKILLs vLLM's engine process alone, as a machine that is out of memory does."""
    (engine,) = (process for process in psutil.process_iter() if is_engine(process, run.mark))
    engine.kill()


def is_engine(process: psutil.Process, mark: str) -> bool:
    with suppress(psutil.Error):
        name, _, value = mark.partition("=")
        return "VLLM::EngineCore" in " ".join(process.cmdline()) and process.environ().get(name) == value
    return False


def generator_pid(run: Command) -> int:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ours = run.mark.encode() in (folder / "environ").read_bytes()
            if ours and b"GeneratorActor" in (folder / "cmdline").read_bytes():
                return int(folder.name)
        except OSError:
            continue
    raise AssertionError("no generator runs")


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore::Warning")  # vLLM in this process: its dependencies warn on import
async def test_weights_loaded_into_running_vllm_give_the_learners_logprobs(tmp_path: Path) -> None:
    """Full and partial syncs against transformers; and what a q,k-only reload would do is prevented."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rayrl.generate.engine import EngineSettings, PacketFile
    from rayrl.generate.packets import pack, with_fused_partners
    from rayrl.generate.vllm_engine import VLLMEngine

    folder = resolve_model(EMBEDDED)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Name three colours."}], add_generation_prompt=True, tokenize=False
    )
    prompt = tokenizer.encode(text, add_special_tokens=False)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    settings = EngineSettings(folder, 256, 0, 16, 1, 2, 1 << 28, 0.8, {})
    engine = VLLMEngine(settings)
    await engine.start()

    async def difference() -> float:
        """Mean |log-probability| difference to `model` over a greedy completion, in nats."""
        (rollout,) = await engine.generate(prompt, Sampling(0.0, 1.0, 40))
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *rollout.token_ids]])).logits[0, len(prompt) - 1 : -1]
        own = torch.log_softmax(logits.float(), -1)[range(len(rollout.token_ids)), rollout.token_ids.tolist()]
        return float((own - torch.tensor(rollout.logprobs)).abs().mean())

    def packets(names: list[str], folder: Path) -> list[PacketFile]:
        parameters = dict(model.named_parameters())
        folder.mkdir()
        found = pack((name, parameters[name].data.bfloat16()) for name in names)
        return [packet.write(folder / str(number)) for number, packet in enumerate(found)]

    try:
        every = [name for name, _ in model.named_parameters()]
        in_step = await difference()
        assert in_step < 0.12
        # A change that keeps the model a model: noise of this size would make bfloat16's rounding ten times as large.
        for name, parameter in model.named_parameters():
            if "o_proj" in name or "down_proj" in name:
                parameter.data = (0.75 * parameter.data).bfloat16().float()
        skipped = await difference()
        assert skipped > 3 * in_step, "a skipped sync shows"
        await engine.load_weights(1, packets(every, tmp_path / "full"))
        assert await difference() < 0.12
        assert engine.version == 1

        query_key = [name for name in every if "q_proj" in name or "k_proj" in name]
        for name, parameter in model.named_parameters():
            if name in query_key:
                parameter.data = (1.1 * parameter.data).bfloat16().float()
        for _ in range(2):  # on CPU sleep frees nothing: here it is about who waits for what
            await engine.sleep()
        await engine.load_weights(2, packets(with_fused_partners(query_key, every), tmp_path / "part"))
        assert await difference() < 0.12

        damaged = packets(every, tmp_path / "damaged")
        with damaged[0].path.open("r+b") as file:
            file.seek(1000)
            file.write(b"\x00\xff" * 8)
        with pytest.raises(SyncError, match="corrupted"):
            await engine.load_weights(3, damaged)
    finally:
        await engine.close()
        await asyncio.sleep(0.5)


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize(
    ("dtype", "rounding", "kinds"),
    [
        ("float32", 1e-4, ["v_proj", "o_proj", "up_proj", "down_proj", "layernorm", "embed_tokens"]),
        ("bfloat16", 0.04, ["v_proj", "o_proj", "embed_tokens"]),
    ],
)
async def test_every_weight_arrives_in_running_vllm(
    tmp_path: Path, dtype: str, rounding: float, kinds: list[str]
) -> None:
    """One kind after the other is made another. Embedding and head are one weight, of which vLLM may keep two."""
    import torch
    from transformers import AutoModelForCausalLM

    from rayrl.generate.engine import EngineSettings
    from rayrl.generate.packets import pack
    from rayrl.generate.vllm_engine import VLLMEngine

    folder, prompt = make_model(tmp_path / "model", width=128), list(range(5, 25))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    engine = VLLMEngine(EngineSettings(str(folder), 100, 0, 16, 1, 1, 1 << 28, 0.8, {"dtype": dtype}))
    await engine.start()

    async def difference() -> float:
        (rollout,) = await engine.generate(prompt, Sampling(0.0, 1.0, 20))
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *rollout.token_ids]])).logits[0, len(prompt) - 1 : -1]
        own = torch.log_softmax(logits, -1)[range(len(rollout.token_ids)), rollout.token_ids.tolist()]
        return float((own - torch.tensor(rollout.logprobs)).abs().mean())

    torch.manual_seed(0)
    parameters = dict(model.named_parameters())
    try:
        for version, kind in enumerate(kinds, 1):
            for name, parameter in parameters.items():
                if kind in name:
                    parameter.data = (parameter + 0.1 * torch.randn_like(parameter)).bfloat16().float().detach()
            assert await difference() > 2 * rounding, f"{kind}: a skipped sync shows"
            sent = pack((name, one.data.to(getattr(torch, dtype))) for name, one in parameters.items())
            (tmp_path / str(version)).mkdir()
            await engine.load_weights(
                version, [one.write(tmp_path / str(version) / str(at)) for at, one in enumerate(sent)]
            )
            assert await difference() < rounding, kind
    finally:
        await engine.close()
        await asyncio.sleep(0.5)

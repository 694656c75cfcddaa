"""vLLM as an `Engine`: the one file that starts vLLM."""

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from rayrl.config import PROCESSED
from rayrl.errors import ModelError, SyncError
from rayrl.generate.engine import BaseRecipe, EngineSettings, PacketFile, TransferStep
from rayrl.generate.engine_process import forked, start_server
from rayrl.generate.packets import is_adapter, read
from rayrl.generate.start_gate import StartGate
from rayrl.generate.weight_sync import BACKEND
from rayrl.imports import uncollected
from rayrl.peft_folder import write_peft_folder
from rayrl.processor import openmp
from rayrl.types import Rollout, Sampling, Score


class VLLMEngine:
    """An AsyncLLM whose weights are replaced through vLLM's weight-transfer API."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.version = 0
        self._requests = 0
        self._llm: Any = None
        self._gate: Any = None
        self._adapter: Any = None  # the LoRARequest that names the adapter now loaded
        self._asleep = False

    @property
    def alive(self) -> bool:
        return self._llm is None or not self._llm.errored

    async def start(self) -> None:
        settings = self.settings
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        os.environ["VLLM_NO_USAGE_STATS"] = "1"
        environment = _cpu_environment(settings.threads)
        forks = settings.gpus == 0 and settings.tensor_parallel_size == 1
        if forks:
            with _inherited(environment):
                start_server()
        with uncollected():
            import vllm.v1.engine.async_llm  # noqa: F401
        from vllm.platforms import current_platform

        on_cpu = current_platform.is_cpu()
        arguments: dict[str, Any] = {
            "model": settings.model,
            "dtype": "bfloat16",
            "seed": settings.seed,
            "max_model_len": settings.max_model_len,
            "max_num_seqs": settings.max_sequences or (256 if on_cpu else None),
            "tensor_parallel_size": settings.tensor_parallel_size,
            "disable_log_stats": True,
            "logprobs_mode": PROCESSED,
            "scheduling_policy": "priority",
            "generation_config": "vllm",  # the model folder's own sampling defaults are not ours
        }
        if on_cpu:
            arguments |= {
                "dtype": settings.dtype,
                "kv_cache_memory_bytes": settings.kv_cache_bytes,
                # torch.compile takes a minute at start and gains nothing at this size; it needs a C++ compiler too.
                "enforce_eager": True,
                # A chunked prefill rewinds the request's random generator, which torch cannot do on CPU
                # (github.com/vllm-project/vllm/pull/10097; the error: github.com/RBLN-SW/vllm-rbln/pull/1025).
                "enable_chunked_prefill": False,
                "block_size": 32,  # the smallest: a group shares its prompt (and all prompts their system message)
                "max_num_batched_tokens": max(8192, settings.max_model_len),
            }
            if settings.tensor_parallel_size == 1:
                from vllm.v1.executor.uniproc_executor import UniProcExecutor

                # In the engine's own process: one less to start and to talk to. By its name vLLM starts a process for
                # it all the same, to set OpenMP's environment there; here the engine's process has it already.
                arguments |= {"distributed_executor_backend": UniProcExecutor}
        elif settings.shares_gpu:  # nothing is measured while a learner fills it, and no share of it must be free
            arguments |= {"kv_cache_memory_bytes": settings.kv_cache_bytes, "gpu_memory_utilization": 0.01}
            arguments |= {"enable_sleep_mode": settings.sleeps}
        else:
            arguments |= {"gpu_memory_utilization": settings.gpu_memory_utilization}

        from vllm import AsyncEngineArgs
        from vllm.config import WeightTransferConfig
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        if settings.adapter is not None:
            arguments |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": _lora_rank(settings.adapter["r"])}
        arguments |= {"weight_transfer_config": WeightTransferConfig(backend=BACKEND)} | settings.options
        try:
            with _inherited(environment if on_cpu else {}), forked() if forks and on_cpu else nullcontext():
                # By its context vLLM chooses what is left open: of LLM_CLASS the largest batches.
                self._llm = AsyncLLM.from_engine_args(
                    AsyncEngineArgs(**arguments), usage_context=UsageContext.LLM_CLASS
                )
        except TypeError as error:
            raise ModelError(f"generator.options: vLLM does not take {settings.options!r}: {error}") from error
        await self._llm.init_weight_transfer_engine(_request(init_info={}))
        await self._llm.update_weight_version(str(self.version))
        self._gate = StartGate(self._llm)

    async def generate(self, prompt_token_ids: list[int], sampling: Sampling) -> list[Rollout]:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        parameters = SamplingParams(
            n=sampling.n,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=sampling.max_tokens,
            seed=sampling.seed,
            stop=list(sampling.stop),
            skip_special_tokens=not sampling.stop,  # a text that stops may be that of a special token
            structured_outputs=StructuredOutputsParams(json=sampling.json_schema) if sampling.json_schema else None,
            logprobs=0,  # of the sampled token only
            flat_logprobs=True,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        (output,) = [one async for one in self._outputs(prompt_token_ids, parameters, sampling.priority)]
        return [_rollout(completion) for completion in output.outputs]

    async def score(self, prompt_token_ids: list[int], continuations: Sequence[list[int]]) -> list[Score]:
        """Continuations that differ in their last token only are one request, and one row of logits where they have
        no other."""
        lasts: dict[tuple[int, ...], dict[int, None]] = {}
        for *before, last in continuations:
            lasts.setdefault(tuple(before), {})[last] = None
        scored = await asyncio.gather(*(self._score(prompt_token_ids, *one) for one in lasts.items()))
        found = dict(zip(lasts, scored, strict=True))
        return [found[tuple(before)][last] for *before, last in continuations]

    async def _score(
        self, prompt: list[int], before: tuple[int, ...], lasts: Iterable[int], cached: bool = True
    ) -> dict[int, Score]:
        """Last token -> score of `before` and that token. The last is sampled, so that its logits are those of one
        position; those of `before` are the prompt's.

        vLLM's prefix cache gives no log-probabilities of what it holds. It is read all the same, as it mostly holds the
        prompt alone; where it holds more, all is computed again (`cached` False).
        """
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        parameters = SamplingParams(
            temperature=0,
            max_tokens=1,
            logprob_token_ids=list(lasts),
            prompt_logprobs=0 if before else None,
            skip_reading_prefix_cache=not cached,
            flat_logprobs=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        (output,) = [one async for one in self._outputs([*prompt, *before], parameters)]
        if before and cached and output.num_cached_tokens >= len(prompt):
            return await self._score(prompt, before, lasts, cached=False)
        rows = output.prompt_logprobs[-len(before) :] if before else []
        own = [row[token] for token, row in zip(before, rows, strict=True)]
        (sampled,), (candidates,) = output.outputs[0].token_ids, output.outputs[0].logprobs
        logprobs, greedy = [one.logprob for one in own], all(one.rank == 1 for one in own)
        return {last: Score([*logprobs, candidates[last].logprob], greedy and sampled == last) for last in lasts}

    async def hold(self, count: int) -> None:
        await self._gate.hold(count)

    async def _outputs(self, token_ids: list[int], parameters: Any, priority: int = 0) -> AsyncIterator[Any]:
        """vLLM's for one request, by the adapter that it holds; as AsyncLLM.generate, which does not say when the
        request is in the queue."""
        self._requests += 1
        prompt, request = {"prompt_token_ids": token_ids}, str(self._requests)
        queue = await self._llm.add_request(request, prompt, parameters, lora_request=self._adapter, priority=priority)
        finished = False
        try:
            self._gate.count()
            while not finished:
                output = queue.get_nowait() or await queue.get()
                finished = output.finished
                yield output
        finally:
            if not finished and self.alive:
                await self._llm.abort(queue.request_id, internal=True)

    async def load_weights(self, version: int, packets: Sequence[PacketFile | BaseRecipe]) -> None:
        await self._pause()
        try:
            adapter = [packet for packet in packets if isinstance(packet, PacketFile) and is_adapter(packet)]
            own = [packet for packet in packets if not is_adapter(packet)]
            if own:
                await self._load_model(own)
            if adapter:
                await self._load_adapter(adapter)
            await self._llm.update_weight_version(str(version))
        except Exception as error:
            raise SyncError(f"weight sync to version {version} failed in vLLM: {error}") from error
        self.version = version
        await self._resume()

    async def transfer(self, step: TransferStep, fields: dict[str, Any]) -> None:
        if step == "open":
            backend = fields.pop("backend")
            await self._llm.init_weight_transfer_engine(_request(init_info={"backend": backend, "fields": fields}))
        elif step == "start":
            await self._pause()
            await self._llm.start_weight_update()
        elif step == "receive":
            await self._llm.update_weights(_request(update_info={"fields": fields}))
        else:
            await self._llm.finish_weight_update(weight_version=str(fields["version"]))
            self.version = fields["version"]
            await self._resume()

    async def sleep(self) -> None:
        if not self._asleep:
            self._asleep = True
            self._gate.drop()
            await self._llm.sleep(level=1, mode="wait")  # its weights lie in host memory meanwhile

    async def _pause(self) -> None:
        """Frozen until `_resume`; the weights are there."""
        if self._asleep:
            await self._llm.wake_up(["weights"])
        self._gate.drop()
        await self._llm.pause_generation(mode="keep", clear_cache=True)

    async def _resume(self) -> None:
        if self._asleep:  # after the new weights, whose copies have gone by now
            await self._llm.wake_up(["kv_cache"])
            self._asleep = False
        await self._llm.resume_generation()

    async def _load_model(self, packets: Sequence[PacketFile | BaseRecipe]) -> None:
        await self._llm.start_weight_update()
        for packet in packets:
            fields: dict[str, Any] = {"tensors": [dataclasses.astuple(info) for info in packet.tensors]}
            if isinstance(packet, BaseRecipe):
                fields["double_quantization"] = packet.double_quantization
            else:
                fields["path"] = str(packet.path)
            await self._llm.update_weights(_request(update_info=fields))
        await self._llm.finish_weight_update()

    async def _load_adapter(self, packets: Sequence[PacketFile]) -> None:
        """Replaces the adapter in place, under one id: completions in flight continue with the new one.

        vLLM's prefix cache goes by the adapter's name and path (github.com/vllm-project/vllm/issues/42125). The path
        is another for each version, so what an old version computed is never reused, nor what completions in flight
        compute at present.
        """
        from vllm.lora.request import LoRARequest

        tensors = {name: tensor for packet in packets for name, tensor in read(packet)}
        folder = packets[0].path.parent / "adapter"
        write_peft_folder(folder, self.settings.adapter or {}, tensors)
        if not await self._llm.add_lora(LoRARequest("policy", 1, str(folder), load_inplace=True)):
            raise SyncError("vLLM did not take the adapter")
        self._adapter = LoRARequest("policy", 1, str(folder))

    async def close(self) -> None:
        if self._llm is not None:
            self._llm.shutdown()
            self._llm = None


def _rollout(completion: Any) -> Rollout:
    """vLLM labels a completion's tokens by the version that sampled them."""
    tokens = np.asarray(completion.token_ids, np.int32)
    logprobs = np.asarray(completion.logprobs.logprobs if completion.logprobs else (), np.float32)
    versions = np.empty(0, np.int32)
    for span in completion.weight_versions or ():
        versions = np.append(versions, np.full(span.end - span.start, int(span.version), np.int32))
    if not len(tokens) == len(logprobs) == len(versions):
        counts = f"{len(tokens)} tokens, {len(logprobs)} log-probabilities and {len(versions)} versions"
        raise ModelError(f"vLLM gave a completion with {counts}")
    return Rollout(completion.text, tokens, logprobs, versions, completion.finish_reason)


def _request(**fields: dict[str, Any]) -> Any:
    from vllm.distributed.weight_transfer.base import WeightTransferInitRequest, WeightTransferUpdateRequest

    return WeightTransferInitRequest(**fields) if "init_info" in fields else WeightTransferUpdateRequest(**fields)


def _lora_rank(rank: int) -> int:
    """The smallest rank that vLLM sets room aside for and that holds this one."""
    from typing import get_args

    from vllm.config.lora import MaxLoRARanks

    return int(min(size for size in get_args(MaxLoRARanks) if size >= rank))


def _cpu_environment(threads: int) -> dict[str, str]:
    """Of vLLM's engine on CPU, with that many threads; 0: as many as cores.

    None is bound to a core, as vLLM would have it: engines would share one, and where a core has other work, all the
    threads would wait for the one that is bound to it.
    """
    return {
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(threads or len(os.sched_getaffinity(0))),
        # vLLM compiles one function. The compiler takes the processor's word for its instructions, instead of three
        # programs that try them.
        "TORCHINDUCTOR_VEC_ISA_OK": os.environ.get("TORCHINDUCTOR_VEC_ISA_OK", "1"),
    } | openmp()


@contextmanager
def _inherited(environment: dict[str, str]) -> Iterator[None]:
    """Processes that are started within have it."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ |= environment
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

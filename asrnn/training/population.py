"""A population: runs that one program trains together, each with a workdir of its own."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import jax
import numpy as np

from asrnn.errors import Interrupted
from asrnn.runs.provenance import Provenance
from asrnn.runs.summary import DIVERGED, DONE, STOPPED
from asrnn.signals import StopRequest
from asrnn.tasks import DataSet
from asrnn.training import diagnostics, dispatch_size
from asrnn.training.evaluation import BATCH_SIZE, Totals, scores, sum_up
from asrnn.training.examples import Examples, KeyPurpose, check_patience, next_batches
from asrnn.training.experiment import Experiment
from asrnn.training.journal import Journal
from asrnn.training.members import Program, member, place_members, place_parts, place_stacked
from asrnn.training.step import Snapshot, is_finite


class Run(NamedTuple):
    """What becomes a member: a run, and its workdir, which the caller has locked."""

    experiment: Experiment
    workdir: Path


def train_population(
    runs: Sequence[Run],
    program: Program,
    data: DataSet,
    stop: StopRequest,
    ended: Callable[[int], None],
) -> None:
    """Brings runs to their last step and evaluates them, as `train_and_evaluate` does each.

    A member that diverges gets a summary that says so. Members that are behind go first,
    until all are at one step.

    Args:
      runs: they differ in their seeds and in values known at run time only.
      program: what `make_program` made of one of them, for so many.
      data: what they train on.
      stop: the request to save all members and leave.
      ended: called with the position of each run that is done or has diverged.

    Raises:
      ConfigError: if a run has already made more steps than its config asks for.
      CheckpointError: if a checkpoint cannot be written or read.
      Interrupted: after a signal; the states are saved.
    """
    population = _Population(runs, program, data, stop, ended)
    with ExitStack() as stack:
        for journal, step in zip(population.journals, population.steps, strict=True):
            stack.enter_context(journal.open(step))
        population.train()
        population.finish()


class _Population:
    """The members' states on the devices, and a journal of each."""

    def __init__(
        self,
        runs: Sequence[Run],
        program: Program,
        data: DataSet,
        stop: StopRequest,
        ended: Callable[[int], None],
    ):
        self.runs = runs
        self.program = program
        self.stop = stop
        self.ended = ended
        experiment = runs[0].experiment
        config, self.task, self.objective = experiment.config, experiment.task, experiment.objective
        self.training = config.training
        self.seeds = [run.experiment.config.seed for run in runs]
        self.parts = place_parts(
            self.task, data, config.task.validation_size, self.seeds, program.mesh
        )
        check_patience(self.training.patience, self.parts)
        provenance = Provenance(data.parts)
        self.journals = [
            Journal(
                run.experiment,
                run.workdir,
                data.origin,
                provenance,
                population={"size": len(runs), "index": index},
            )
            for index, run in enumerate(runs)
        ]
        self.hyper = self.place([run.experiment.hyper for run in runs])
        self.training_keys = self.keys(KeyPurpose.TRAINING_NOISE)
        self.evaluation_keys = self.keys(KeyPurpose.EVALUATION_NOISE)
        self.live = list(range(len(runs)))
        self.batches(self.live, 0, 1)  # refuses a batch larger than the data, before compiling
        self.restore()

    def place(self, trees: Sequence[Any]) -> Any:
        return place_members(trees, self.program.mesh)

    def place_stacked(self, stacked: Any) -> Any:
        return place_stacked(stacked, self.program.mesh)

    def keys(self, purpose: KeyPurpose) -> jax.Array:
        keys: jax.Array = self.place([run.experiment.key(purpose) for run in self.runs])
        return keys

    def restore(self) -> None:
        """Goes back to each member's latest checkpoint, if there is one."""
        snapshots, self.steps, self.began = [], [], []
        for run, journal in zip(self.runs, self.journals, strict=True):
            snapshot = run.experiment.initial_snapshot()
            checkpoint = journal.restore(snapshot)
            snapshots.append(snapshot if checkpoint is None else checkpoint.tree)
            step = 0 if checkpoint is None else checkpoint.step
            self.steps.append(step)
            # The step before the first of the window.
            self.began.append(step - int(snapshots[-1].window["steps"]))
        self.state, self.window = self.place(snapshots)

    def train(self) -> None:
        """Makes the updates that are missing, those of the members behind first."""
        training, last = self.training, self.training.steps
        periods = dispatch_size.periods(training)
        dispatch = dispatch_size.DispatchSize()
        with self.pause():
            self.diagnose([i for i in self.live if self.steps[i] == 0])
            self.save(self.validate(self.live))  # where a signal had cut it short
        while running := self.behind():
            step = self.steps[running[0]]
            others = (self.steps[i] for i in self.live if self.steps[i] > step)
            target = min(
                dispatch_size.next_event(step, last, periods), step + dispatch.count, *others
            )
            self.update(running, step, target - step)
            dispatch.wait(self.window["steps"], target - step)
            step = target
            if step % training.log_every == 0 or step == last:
                self.write_windows(running)
            saving = step % training.checkpoint_every == 0 or step == last
            due = any(self.diagnostics_due(i) or self.validation_due(i) for i in running)
            if saving or due or self.stop.received:
                with self.pause():
                    self.drop_diverged(running)
                    self.diagnose(self.still_live(running))
                    chosen = self.validate(self.still_live(running))
                    everyone = saving or self.stop.received
                    self.save(self.still_live(running) if everyone else chosen)
                if self.stop.received:
                    self.interrupt()

    def behind(self) -> list[int]:
        """The members at the lowest step of those that train: live, patient, not at the last."""
        patient = [i for i in self.live if not self.journals[i].out_of_patience]
        lowest = min((self.steps[i] for i in patient), default=self.training.steps)
        if lowest == self.training.steps:
            return []
        return [i for i in patient if self.steps[i] == lowest]

    def still_live(self, members: Sequence[int]) -> list[int]:
        return [i for i in members if i in self.live]

    def update(self, running: Sequence[int], step: int, count: int) -> None:
        """Makes the next updates of some members; all others stay as they are."""
        counts = np.zeros(len(self.runs), np.int32)
        counts[running] = count
        self.state, self.window = self.program.train_steps(
            self.state,
            self.window,
            self.hyper,
            self.parts.train,
            self.place_stacked(self.batches(running, step, count)),
            self.place_stacked(counts),
            self.training_keys,
        )
        for i in running:
            self.steps[i] += count

    def batches(self, running: Sequence[int], step: int, count: int) -> np.ndarray:
        """The batches of the next updates, padded to one shape so that nothing recompiles."""
        size, part = self.training.batch_size, self.parts.train
        chosen = {
            i: next_batches(self.task, self.seeds[i], step, count, part, size) for i in running
        }
        indices = np.zeros((len(self.runs), dispatch_size.MAX_STEPS, size), np.int32)
        for i in running:
            indices[i, :count] = chosen[i]
        return indices

    def write_windows(self, running: Sequence[int]) -> None:
        """Records the mean over the steps of a window, and begins another."""
        self.drop_diverged(running)
        window = jax.device_get(self.window)
        for i in self.still_live(running):
            journal = self.journals[i]
            journal.write_window(self.began[i], member(window, i), journal.elapsed())
            self.began[i] = self.steps[i]
        kept = np.ones(len(self.runs), bool)
        kept[running] = False
        self.window = self.place_stacked(jax.tree.map(lambda sums: sums * kept, window))

    def drop_diverged(self, running: Sequence[int]) -> None:
        """The first update of a member that was not finite is the last of its window."""
        window = jax.device_get(self.window)
        finite = is_finite(window)
        for i in self.still_live(running):
            if not finite[i]:
                self.diverge(i, self.began[i] + int(window["steps"][i]))

    def diverge(self, index: int, step: int) -> None:
        self.journals[index].summarize(DIVERGED, step)
        self.leave(index)

    def leave(self, index: int) -> None:
        self.live.remove(index)
        self.ended(index)

    def diagnostics_due(self, index: int) -> bool:
        return self.journals[index].diagnostics_due(self.steps[index])

    def diagnose(self, members: Sequence[int]) -> None:
        """Records how gradients and distances fare through time where due."""
        due = [i for i in members if self.diagnostics_due(i)]
        if not due:
            return
        first = self.batches(range(len(self.runs)), 0, 1)[:, 0, : diagnostics.BATCH_SIZE]
        found = jax.device_get(
            self.program.diagnose(
                self.state.params,
                self.hyper,
                self.parts.train,
                self.place_stacked(first),
                self.evaluation_keys,
            )
        )
        for i in due:
            values = {name: several[i] for name, several in found.items()}
            self.journals[i].write_diagnostics(self.steps[i], values)

    def validation_due(self, index: int) -> bool:
        due = self.journals[index].validation_due(self.steps[index])
        return self.parts.validation is not None and due

    def validate(self, members: Sequence[int]) -> list[int]:
        """Records validation scores where due; those members that are to be saved now."""
        due = [i for i in members if self.validation_due(i)]
        if not due or self.parts.validation is None:
            return []
        totals = self.evaluate(self.state.evaluated, self.parts.validation)
        if totals is None:
            return []
        for i in due:
            found = self.scores(totals, i)
            if math.isfinite(found["loss"]):
                self.journals[i].write_validation(self.steps[i], found)
            else:
                self.diverge(i, self.steps[i])
        return [i for i in self.still_live(due) if self.has_to_save(i)]

    def has_to_save(self, index: int) -> bool:
        """Whether the last validation was a member's best, or its last."""
        journal = self.journals[index]
        return journal.out_of_patience or journal.best["step"] == self.steps[index]

    def scores(self, totals: Totals, index: int) -> dict[str, float]:
        """The metrics of one member."""
        return scores({name: sums[index] for name, sums in totals.items()}, self.objective)

    def evaluate(self, params: Any, examples: Examples) -> Totals | None:
        """Sums [M], or None if a signal came before all examples were evaluated.

        Batches are no larger than in training, so that they need no more memory.
        """
        return sum_up(
            self.program.eval_step,
            params,
            self.hyper,
            examples,
            self.evaluation_keys,
            batch_size=min(BATCH_SIZE, self.training.batch_size),
            wanted=lambda: self.stop.received is None,
        )

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Keeps what is done in it out of the time of the members' windows."""
        with ExitStack() as stack:
            for journal in self.journals:
                stack.enter_context(journal.pause())
            yield

    def save(self, members: Sequence[int]) -> None:
        if members:
            snapshots = jax.device_get(Snapshot(self.state, self.window))
        for i in members:
            self.journals[i].save(self.steps[i], member(snapshots, i))

    def interrupt(self) -> NoReturn:
        assert self.stop.received is not None
        for i in self.live:
            self.journals[i].summarize(STOPPED, self.steps[i])
        raise Interrupted(
            f"stopped by {self.stop.received.name}, all members of the population saved;"
            " run the same command again to go on"
        )

    def finish(self) -> None:
        """The one evaluation on the test part, with each member's best parameters."""
        if not self.live:
            return
        steps = list(self.steps)
        trained = jax.device_get(self.state.evaluated)
        params = [member(trained, i) for i in range(len(self.runs))]
        for i in self.live:
            best = self.journals[i].best["step"]
            found = None if best in (None, self.steps[i]) else self.load_best(i)
            if found is not None:  # else the last parameters stand in for a damaged checkpoint
                steps[i], params[i] = best, found
        totals = self.evaluate(self.place(params), self.parts.test)
        if totals is None:
            self.interrupt()
        for i in list(self.live):
            found = self.scores(totals, i)
            if math.isfinite(found["loss"]):
                row = self.journals[i].write_test(steps[i], found)
                self.journals[i].summarize(DONE, self.steps[i], row)
                self.leave(i)
            else:
                self.diverge(i, steps[i])

    def load_best(self, index: int) -> Any | None:
        return self.journals[index].best_params(self.runs[index].experiment.initial_snapshot())

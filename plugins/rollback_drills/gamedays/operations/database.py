"""Operations on the database: migrations, backups and restores."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from rollback_drills.drill.checkers import check_kept, check_restore_ends_well, check_restored
from rollback_drills.gamedays.context import DayContext
from rollback_drills.gamedays.model import ExpectedState, KeptBackup
from rollback_drills.gamedays.operations.operation import Drawn, Operation
from rollback_drills.lab.before import take_state
from rollback_drills.target.target import Target


class UpgradeDatabase(Operation):
    kind = "upgrade"
    title_template = "Upgrade the database with the scripts of release {}"
    moves_schema = True

    @classmethod
    def arguments(cls, target: Target) -> tuple[str, ...]:
        return (target.current,)

    @classmethod
    def draw(cls, drawn: Drawn, state: ExpectedState) -> Sequence[str]:
        return cls.arguments(state.target)

    @classmethod
    def possible(cls, state: ExpectedState) -> bool:
        return state.revision != state.heads[state.target.current]

    def perform(self, day: DayContext) -> None:
        head = day.state.heads[self.argument]
        result = day.stack.alembic.upgrade(self.argument, head)
        day.judge.check(
            "the upgrade succeeds",
            result.exit_code,
            expected=0,
            finding="upgrade-failed",
            detail=result.output[-2000:],
        )
        day.state.revision = head


class DowngradeDatabase(Operation):
    kind = "downgrade"
    title_template = "Downgrade the database to the head of release {}, with the newer scripts"
    weight = 2
    moves_schema = True

    @classmethod
    def arguments(cls, target: Target) -> tuple[str, ...]:
        return (target.previous,)

    @classmethod
    def draw(cls, drawn: Drawn, state: ExpectedState) -> Sequence[str]:
        return cls.arguments(state.target)

    @classmethod
    def possible(cls, state: ExpectedState) -> bool:
        return state.revision != state.heads[state.target.previous]

    def perform(self, day: DayContext) -> None:
        head = day.state.heads[self.argument]
        before = take_state(day.stack, day.lab, head)
        result = day.stack.alembic.downgrade(day.target.current, head)
        day.judge.check(
            "the downgrade succeeds",
            result.exit_code,
            expected=0,
            finding="downgrade-failed",
            detail=result.output[-2000:],
        )
        if day.stack.database.revision() == head:
            check_kept(day.judge, day.stack, day.lab, before, head)
        day.state.revision = head


class TakeBackup(Operation):
    kind = "backup"
    title_template = "Back up the database"
    weight = 2

    @classmethod
    def possible(cls, state: ExpectedState) -> bool:
        return state.backup is None or state.backup.stored != state.stored

    def perform(self, day: DayContext) -> None:
        database = day.stack.database
        file = day.directory / f"backup-{database.name}.sql"
        result, manifest = day.stack.backups.take(database, file)
        day.judge.check("the backup command succeeds", result.exit_code, expected=0, finding="backup-unusable")
        day.state.backup = KeptBackup(file, manifest, frozenset(day.state.stored))


class RestoreBackup(Operation):
    """The restored database is judged: that the command succeeds proves nothing."""

    kind = "restore"
    title_template = "RestoreBackup the last backup into a new database, and swap it with the live one"
    weight = 2
    moves_schema = True

    @classmethod
    def possible(cls, state: ExpectedState) -> bool:
        return state.backup is not None

    def perform(self, day: DayContext) -> None:
        backup, stack = day.state.backup, day.stack
        assert backup is not None, "there is a backup where a restore is possible"
        stack.gateway.stop()
        day.state.gateway_stopped()
        stack.backups.verify(backup.file, backup.manifest)
        fresh = stack.database.create_empty()
        with ExitStack() as cleanup:
            cleanup.callback(fresh.drop)
            check_restore_ends_well(day.judge, stack.backups.restore_into(fresh, backup.file))
            check_restored(day.judge, backup.manifest, fresh)
            cleanup.pop_all()
        fresh.swap_with(stack.database).drop()
        day.state.backup_restored(backup)

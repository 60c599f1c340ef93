"""Operations on the gateway."""

from __future__ import annotations

from collections.abc import Sequence

from rollback_drills.gamedays.context import DayContext
from rollback_drills.gamedays.model import ExpectedState
from rollback_drills.gamedays.operations.operation import Drawn, Operation
from rollback_drills.lab.faults import GatewayKilled
from rollback_drills.target.target import Target


class Deploy(Operation):
    kind = "deploy"
    title_template = "Deploy release {}"
    weight = 3
    moves_schema = True  # where every start of the target migrates
    starts_gateway = True

    @classmethod
    def arguments(cls, target: Target) -> tuple[str, ...]:
        return target.previous, target.current

    @classmethod
    def draw(cls, drawn: Drawn, state: ExpectedState) -> Sequence[str]:
        return [drawn.release]

    def migrates(self, target: Target) -> bool:
        return target.gateway.always_migrates

    def perform(self, day: DayContext) -> None:
        migrates = self.migrates(day.target)
        outcome = day.stack.gateway.deploy(self.argument, migrate=migrates)
        day.state.gateway_created(self.argument, migrates=migrates)
        day.gateway_started(outcome)


class DeployMigrating(Deploy):
    kind = "deploy-migrating"
    title_template = "Deploy release {}, letting its start migrate"
    weight = 1

    @classmethod
    def possible(cls, state: ExpectedState) -> bool:
        return state.target.gateway.migrate_on_start is not None

    def migrates(self, target: Target) -> bool:
        return True


class RestartGateway(Operation):
    kind = "restart"
    title_template = "Restart the gateway: it keeps the environment that it was created with"
    moves_schema = True  # where the gateway was created to migrate
    starts_gateway = True

    def perform(self, day: DayContext) -> None:
        day.gateway_started(day.stack.gateway.restart())


class RecreateGateway(Operation):
    kind = "recreate"
    title_template = "Re-create the gateway: it reads its configuration again"
    weight = 2
    moves_schema = True  # where the gateway was created to migrate
    starts_gateway = True

    def perform(self, day: DayContext) -> None:
        outcome = day.stack.gateway.recreate()
        day.state.gateway_created(day.state.release, migrates=day.state.migrates)
        day.gateway_started(outcome)


class StopGateway(Operation):
    kind = "stop"
    title_template = "StopGateway the gateway"

    @classmethod
    def possible(cls, state: ExpectedState) -> bool:
        return state.running

    def perform(self, day: DayContext) -> None:
        day.stack.gateway.stop()
        day.state.gateway_stopped()


class KillGateway(Operation):
    kind = "kill"
    title_template = "Kill the gateway (SIGKILL)"

    @classmethod
    def possible(cls, state: ExpectedState) -> bool:
        return state.running

    def perform(self, day: DayContext) -> None:
        GatewayKilled().inject(day.stack)
        day.state.gateway_stopped()

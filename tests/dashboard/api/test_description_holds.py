from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from jobrunr import JobRunr
from jobrunr.dashboard.api import operations_for
from jobrunr.dashboard.api.operation import NoParameters
from jobrunr.settings import Settings
from jobrunr.storage.memory import MemoryStorageProvider
from tests.dashboard.api.conftest import USERS
from tests.dashboard.populate import populate

SIGNED_IN = {"Authorization": f"Basic {b64encode(b'ada:correct horse').decode()}"}
ENQUEUE = ("tests.dashboard.shop:send_welcome",)
OPERATIONS = {operation.name: operation for operation in operations_for(Settings(dashboard_enqueue=ENQUEUE))}
TAKE_SOMETHING = [name for name, operation in OPERATIONS.items() if operation.asked is not NoParameters or operation.body]
load_all_checks()
ELSEWHERE = CHECKS.get_by_names(["ignored_auth"])  # every refused password costs time, and is counted
NOT_ALL_CAN_BE_DESCRIBED = CHECKS.get_by_names(["positive_data_acceptance"])


@pytest.fixture(scope="module")
def described() -> Iterator[Any]:
    with MemoryStorageProvider() as storage:
        populate(storage)
        app = JobRunr(
            storage,
            application="tests",
            dashboard_users=USERS,
            dashboard_hosts=["testserver"],
            dashboard_enqueue=ENQUEUE,
        )
        yield schemathesis.openapi.from_asgi("/api/openapi.json", app.dashboard(), headers=SIGNED_IN)


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_asked_for_in_the_right_way_is_answered_as_described(described: Any, name: str) -> None:
    @given(case=described.find_operation_by_id(name).as_strategy())
    @few
    def ask(case: Case) -> None:
        case.query.pop("after", None)  # what is no cursor of ours is refused
        more = NOT_ALL_CAN_BE_DESCRIBED if name == "enqueue" else []
        case.call_and_validate(headers=SIGNED_IN, excluded_checks=[*ELSEWHERE, *more])

    ask()


@pytest.mark.parametrize("name", TAKE_SOMETHING)
def test_what_is_asked_for_in_a_wrong_way_is_refused_as_described(described: Any, name: str) -> None:
    @given(case=described.find_operation_by_id(name).as_strategy(generation_mode=GenerationMode.NEGATIVE))
    @few
    def ask(case: Case) -> None:
        case.call_and_validate(headers=SIGNED_IN, excluded_checks=ELSEWHERE)

    ask()


few = settings(max_examples=8, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))

"""Calls every method of the API with Python's grpcio, and checks the answers.

    client.py ADDRESS DIR

ADDRESS is what gRPC calls a target, such as localhost:15441 or unix:///run/rkt/api.sock; DIR
is the data directory that the server is to tell of. README.md beside this folder says what is
expected of the host, and what is to happen while this runs. Ends with 1 and a line for each
difference.
"""

import json
import pathlib
import sys

import grpc
from google.protobuf import json_format

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
# Generated when this starts, so that there is no copy of the API that could be out of date.
sys.path.append(str(ROOT / "proto"))
messages, services = grpc.protos_and_services("api.proto")

DEADLINE_S = 60

SERVICE = messages.DESCRIPTOR.services_by_name["PublicAPI"]


def to_dict(message):
    return json_format.MessageToDict(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def differences(expected, answer, where):
    """What of `expected` is not so in `answer`, which may have more fields."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        for name, value in expected.items():
            yield from differences(value, answer.get(name), f"{where}.{name}")
    elif isinstance(expected, list) and isinstance(answer, list):
        if len(expected) != len(answer):
            yield f"{where}: {len(answer)} instead of {len(expected)}: {answer}"
        for index, pair in enumerate(zip(expected, answer)):
            yield from differences(*pair, f"{where}[{index}]")
    elif expected != answer:
        yield f"{where}: {answer!r} instead of {expected!r}"


def call(stub, case):
    """The answer to a call with its status; of a stream, all that comes, as one."""
    method = SERVICE.methods_by_name[case["call"]]
    request = getattr(messages, method.input_type.name)()
    json_format.ParseDict(case["request"], request)
    try:
        answer = getattr(stub, method.name)(request, timeout=DEADLINE_S)
        if method.server_streaming:
            whole = getattr(messages, method.output_type.name)()
            for part in answer:
                whole.MergeFrom(part)
            answer = whole
        return {"code": "OK", **to_dict(answer)}
    except grpc.RpcError as error:
        return {"code": error.code().name}


def table(stub, data_dir):
    """The calls in calls.json."""
    text = (HERE.parent / "calls.json").read_text()
    for case in json.loads(text.replace("{data_dir}", data_dir)):
        where = f"{case['call']} {json.dumps(case['request'])}"
        expected = {"code": "OK", **case["answer"]}
        yield from differences(expected, call(stub, case), where)


def living(stub):
    """An event and a line of a log, as they come."""
    pod = "c11e0001-8c1d-4a7e-9d26-6e1f07a4c501"
    filter = messages.EventFilter(types=[messages.EVENT_TYPE_APP_EXITED], ids=[pod])
    request = messages.ListenEventsRequest(filter=filter)
    events = stub.ListenEvents(request, timeout=DEADLINE_S)
    request = messages.GetLogsRequest(pod_id=pod, app_name="web", lines=1, follow=True)
    logs = stub.GetLogs(request, timeout=DEADLINE_S)
    # From then on nothing is missed.
    events.initial_metadata()
    logs.initial_metadata()
    lines = following(logs, "lines")
    yield from differences("GET / 200", said(next(lines)), "the last line")
    print("listening", flush=True)

    yield from differences("GET /cart 200", said(next(lines)), "the next line")
    expected = {
        "type": "EVENT_TYPE_APP_EXITED",
        "id": pod,
        "from": "web",
    }
    event = to_dict(next(following(events, "events")))
    yield from differences(expected, event, "the event")
    data = {pair["Key"]: pair["value"] for pair in event["data"]}
    yield from differences({"exit_code": "7"}, data, "the event's data")
    for stream in events, logs:
        stream.cancel()


def following(stream, field):
    for response in stream:
        yield from getattr(response, field)


def said(line):
    return line.partition("MESSAGE=")[2]


def main(address, data_dir):
    # For a Unix socket the C core makes an authority of its path, which is none that HTTP
    # allows: servers refuse it unless it is set.
    options = [("grpc.default_authority", "localhost")]
    with grpc.insecure_channel(address, options=options) as channel:
        stub = services.PublicAPIStub(channel)
        found = [*table(stub, data_dir), *living(stub)]
    for difference in found:
        print(difference, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

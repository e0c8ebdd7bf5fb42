"""A cluster whose payloads a scenario may change on their way to the agent: for what no
task definition says."""
import json

from relay import ControlRelay, frame


def edited(t, edit, **options):
    """edit(message) -> the bytes for the agent. The relay is connected when the block
    begins. `wrapper`: what the agent is started through."""
    env, wrapper = options.pop("env", None) or {}, options.pop("wrapper", ())
    c = t.cluster(start=False, env=env, **options)
    try:
        relay = c.relay(ControlRelay(c.port))

        def each(text):
            envelope = json.loads(text)
            if envelope["type"] != "PayloadMessage":
                return frame(text)
            return edit(envelope)

        relay.edit = each
        c.agent.start(wrapper, ECS_BACKEND_HOST=relay.url).wait_connected()
    except BaseException as e:
        c.__exit__(type(e), e, None)
        raise
    return c


def with_tasks(t, change, **options):
    """change(task) is called with each task of each payload."""
    def edit(envelope):
        for task in envelope["message"]["tasks"]:
            change(task)
        return frame(json.dumps(envelope))

    return edited(t, edit, **options)


def named(task, container):
    return next(c for c in task["containers"] if c["name"] == container)


def merge_config(container, part, **fields):
    """Adds to dockerConfig.config or dockerConfig.hostConfig, which are JSON in strings."""
    config = container["dockerConfig"]
    config[part] = json.dumps({**json.loads(config.get(part) or "{}"), **fields})

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

#define NOTE_TEXT_MAX 1024
#define NOTE_LINE_MAX (16 * 1024)

static const char *container_name(const struct core *core, const struct core_action *a)
{
    const struct task *t = a->task_arn ? core_task(core, a->task_arn) : NULL;

    return t && a->container < t->n_containers ? t->containers[a->container].name : NULL;
}

static void log_note(const char *text, const char *task, const char *container, bool warning)
{
    enum log_level level = warning ? LOG_WARN : LOG_INFO;

    if (container)
        log_emit(level, LOG_MODULE, text, kv_s("task", task), kv_s("container", container),
                 kv_end());
    else if (task)
        log_emit(level, LOG_MODULE, text, kv_s("task", task), kv_end());
    else
        log_emit(level, LOG_MODULE, text, kv_end());
}

static void keep(struct notes *no, char *line)
{
    if (no->n == ENGINE_EVENTS_KEPT) {
        free(no->lines[no->first]);
        no->lines[no->first] = NULL;
        no->first = (no->first + 1) % ENGINE_EVENTS_KEPT;
        no->n--;
    }
    no->lines[(no->first + no->n++) % ENGINE_EVENTS_KEPT] = line;
}

void notes_add(struct notes *no, const struct core *core, const struct core_action *a,
               int64_t wall_ms)
{
    struct buf b = BUF_INIT(NOTE_LINE_MAX);
    const char *text = a->value ? a->value : "";
    const char *task = a->task_arn ? str_after_last(a->task_arn, '/') : NULL;
    const char *container = container_name(core, a);
    char time[CLOCK_ISO_SIZE];
    struct jw w;
    char *line;

    log_note(text, task, container, a->warning);
    clock_iso(wall_ms, time);
    jw_init(&w, &b);
    jw_object(&w);
    jw_kstr(&w, "time", time);
    jw_kstr_if(&w, "task", task);
    jw_kstr_if(&w, "container", container);
    jw_key(&w, "event");
    jw_strn(&w, (struct str){ text, str_utf8_prefix(text, strlen(text), NOTE_TEXT_MAX) });
    jw_kbool(&w, "warning", a->warning);
    jw_end(&w);
    line = mem_strdup(buf_text(&b));
    buf_fini(&b);
    keep(no, line);
    if (no->observer)
        no->observer(no->user, line);
}

void notes_each(const struct notes *no, engine_event_fn *fn, void *user)
{
    for (size_t i = 0; i < no->n; i++)
        fn(user, no->lines[(no->first + i) % ENGINE_EVENTS_KEPT]);
}

void notes_fini(struct notes *no)
{
    for (size_t i = 0; i < no->n; i++)
        free(no->lines[(no->first + i) % ENGINE_EVENTS_KEPT]);
    no->n = 0;
}

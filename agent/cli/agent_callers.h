#pragma once
/* agent_callers: which task asks the local endpoints, and whose an id of credentials is. Private
 * to cli. */
#include "cli/agent.h"
#include "endpoints/credentials.h"

struct callers;
struct callers *callers_create(struct agent *a);
void callers_destroy(struct callers *cs); /* NULL is fine */

/* The ARN of the task whose container has the address; NULL: not known. Of a task in the host's
 * network nothing can be told from it. An endpoint_who_fn; borrowed until the loop runs on. */
const char *callers_who(void *callers, const struct http_call_head *head);
/* A credentials_may_fn and a credentials_known_fn. */
enum credentials_may callers_may(void *callers, const struct http_call_head *head, const char *id);
enum credentials_kind callers_known(void *callers, const char *id);

#pragma once
/* agent_healthcheck: "berth agent -healthcheck", for those who watch an agent from outside (a
 * container's health check, a supervisor). Private to cli. */

/* Asks the introspection server of the agent of this configuration (HEAD /v1/metadata at
 * ECS_AGENT_HEALTHCHECK_HOST). Any answer is health: returns CLI_OK. No answer within 25 s, or
 * nobody there: says so and returns CLI_ERROR. */
int agent_healthcheck(const char *config_path);

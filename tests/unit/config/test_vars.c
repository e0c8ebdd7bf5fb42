/* The table: complete against the list of the reference agent's variables, and sound. */
#include "unit/config/helper.h"

/* By hand, from the documentation of the reference agent and its init program: the name,
 * the JSON key ("" for none), and what Berth does with it. */
static const struct {
    const char *name, *json;
    enum config_support support;
} known[] = {
#define N CONFIG_NOW
#define L CONFIG_LATER
#define I CONFIG_INERT
    /* switches */
    { "ECS_DISABLE_METRICS", "DisableMetrics", N },
    { "ECS_POLL_METRICS", "PollMetrics", L },
    { "ECS_UPDATES_ENABLED", "UpdatesEnabled", I },
    { "ECS_DISABLE_DOCKER_HEALTH_CHECK", "DisableDockerHealthCheck", N },
    { "ECS_DISABLE_PRIVILEGED", "PrivilegedDisabled", N },
    { "ECS_SELINUX_CAPABLE", "SELinuxCapable", N },
    { "ECS_APPARMOR_CAPABLE", "AppArmorCapable", N },
    { "ECS_ENABLE_TASK_ENI", "TaskENIEnabled", L },
    { "ECS_AWSVPC_BLOCK_IMDS", "AWSVPCBlockInstanceMetdata", L },
    { "ECS_ENABLE_TASK_IAM_ROLE", "TaskIAMRoleEnabled", N },
    { "ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT", "DependentContainersPullUpfront", N },
    { "ECS_DISABLE_IMAGE_CLEANUP", "ImageCleanupDisabled", N },
    { "ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP", "DeleteNonECSImagesEnabled", N },
    { "ECS_ENABLE_CONTAINER_METADATA", "ContainerMetadataEnabled", N },
    { "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE", "OverrideAWSLogsExecutionRole", N },
    { "ECS_SHARED_VOLUME_MATCH_FULL_CONFIG", "SharedVolumeMatchFullConfig", N },
    { "ECS_ENABLE_SPOT_INSTANCE_DRAINING", "SpotInstanceDrainingEnabled", N },
    { "ECS_WARM_POOLS_CHECK", "WarmPoolsSupport", N },
    { "ECS_EXTERNAL", "External", N },
    { "ECS_ENABLE_RUNTIME_STATS", "EnableRuntimeStats", I },
    { "ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2", "PropagateTaskMemoryLimitCgroupV2", N },
    { "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST", "TaskIAMRoleEnabledForNetworkHost", N },
    { "ECS_AUDIT_LOGFILE_DISABLED", "CredentialsAuditLogDisabled", N },
    { "ECS_ENABLE_GPU_SUPPORT", "GPUSupportEnabled", N },
    { "ECS_ENABLE_INF_SUPPORT", "InferentiaSupportEnabled", L },
    { "ECS_DISABLE_TASK_METADATA_AZ", "TaskMetadataAZDisabled", N },
    { "ECS_ENABLE_PROMETHEUS_METRICS", "", L },
    /* values */
    { "ECS_CLUSTER", "Cluster", N },
    { "ECS_BACKEND_HOST", "APIEndpoint", N },
    { "AWS_DEFAULT_REGION", "AWSRegion", N },
    { "DOCKER_HOST", "DockerEndpoint", N },
    { "ECS_RESERVED_PORTS", "ReservedPorts", N },
    { "ECS_RESERVED_PORTS_UDP", "ReservedPortsUDP", N },
    { "ECS_DATADIR", "DataDir", N },
    { "ECS_HOST_DATA_DIR", "DataDirOnHost", I },
    { "ECS_CHECKPOINT", "Checkpoint", L },
    { "ECS_ENGINE_AUTH_TYPE", "EngineAuthType", N },
    { "ECS_ENGINE_AUTH_DATA", "EngineAuthData", N },
    { "ECS_UPDATE_DOWNLOAD_DIR", "UpdateDownloadDir", I },
    { "ECS_POLLING_METRICS_WAIT_DURATION", "PollingMetricsWaitDuration", L },
    { "ECS_RESERVED_MEMORY", "ReservedMemory", N },
    { "ECS_AVAILABLE_LOGGING_DRIVERS", "AvailableLoggingDrivers", N },
    { "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION", "TaskCleanupWaitDuration", N },
    { "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION_JITTER", "TaskCleanupWaitDurationJitter", N },
    { "ECS_ENABLE_HIGH_DENSITY_ENI", "ENITrunkingEnabled", L },
    { "ECS_CNI_PLUGINS_PATH", "CNIPluginsPath", L },
    { "ECS_AWSVPC_ADDITIONAL_LOCAL_ROUTES", "AWSVPCAdditionalLocalRoutes", L },
    { "ECS_ENABLE_TASK_CPU_MEM_LIMIT", "TaskCPUMemLimit", N },
    { "ECS_CGROUP_PATH", "CgroupPath", N },
    { "ECS_CGROUP_CPU_PERIOD", "CgroupCPUPeriod", N },
    { "ECS_TASK_PIDS_LIMIT", "TaskPidsLimit", N },
    { "BERTH_SHUTDOWN_TIMEOUT", "", N },
    { "ECS_CONTAINER_STOP_TIMEOUT", "DockerStopTimeout", N },
    { "ECS_CONTAINER_START_TIMEOUT", "ContainerStartTimeout", N },
    { "ECS_CONTAINER_CREATE_TIMEOUT", "ContainerCreateTimeout", N },
    { "ECS_MANIFEST_PULL_TIMEOUT", "ManifestPullTimeout", N },
    { "ECS_IMAGE_PULL_INACTIVITY_TIMEOUT", "ImagePullInactivityTimeout", N },
    { "ECS_IMAGE_PULL_TIMEOUT", "ImagePullTimeout", N },
    { "ECS_IMAGE_PULL_BEHAVIOR", "ImagePullBehavior", N },
    { "ECS_IMAGE_CLEANUP_INTERVAL", "ImageCleanupInterval", N },
    { "ECS_IMAGE_MINIMUM_CLEANUP_AGE", "MinimumImageDeletionAge", N },
    { "NON_ECS_IMAGE_MINIMUM_CLEANUP_AGE", "NonECSMinimumImageDeletionAge", N },
    { "ECS_NUM_IMAGES_DELETE_PER_CYCLE", "NumImagesToDeletePerCycle", N },
    { "NONECS_NUM_CONTAINERS_DELETE_PER_CYCLE", "NumNonECSContainersToDeletePerCycle", N },
    { "ECS_EXCLUDE_UNTRACKED_IMAGE", "ImageCleanupExclusionList", N },
    { "ECS_INSTANCE_ATTRIBUTES", "InstanceAttributes", N },
    { "ECS_CONTAINER_INSTANCE_TAGS", "ContainerInstanceTags", N },
    { "ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM", "ContainerInstancePropagateTagsFrom", N },
    { "ECS_AUDIT_LOGFILE", "CredentialsAuditLogFile", N },
    { "ECS_TASK_METADATA_RPS_LIMIT", "TaskMetadataSteadyStateRate", N },
    { "", "TaskMetadataBurstRate", N },
    { "ECS_NVIDIA_RUNTIME", "NvidiaRuntime", L },
    { "ECS_EBSTA_SUPPORTED", "EBSTASupportEnabled", L },
    { "ECS_VOLUME_PLUGIN_CAPABILITIES", "VolumePluginCapabilities", L },
    { "ECS_GMSA_SUPPORTED", "GMSACapable", L },
    { "", "GMSADomainlessCapable", L },
    { "ECS_EXCLUDE_IPV6_PORTBINDING", "ShouldExcludeIPv6PortBinding", N },
    { "ECS_INSTANCE_IP_COMPATIBILITY", "", N },
    { "ECS_DYNAMIC_HOST_PORT_RANGE", "DynamicHostPortRange", N },
    { "ECS_ENABLE_FIRELENS_ASYNC", "FirelensAsyncEnabled", L },
    { "ECS_PAUSE_LABELS", "", N },
    { "ECS_DETAILED_OS_FAMILY", "", N },
    { "ECS_AGENT_HEALTHCHECK_HOST", "", N },
    { "ECS_ALTERNATE_CREDENTIAL_PROFILE", "", N },
    { "ECS_AGENT_CONFIG_FILE_PATH", "", N },
    { "ECS_FSX_WINDOWS_FILE_SERVER_SUPPORTED", "", I },
    { "ECS_ENABLE_CPU_UNBOUNDED_WINDOWS_WORKAROUND", "", I },
    { "ECS_ENABLE_MEMORY_UNBOUNDED_WINDOWS_WORKAROUND", "", I },
    /* JSON only */
    { "", "ClusterArn", N },
    { "", "NoIID", N },
    { "", "PauseContainerTarballPath", I },
    { "", "PauseContainerImageName", I },
    { "", "PauseContainerTag", I },
    { "", "OverrideAWSVPCLocalIPv4Address", L },
    { "", "ENIPauseContainerCleanupDelaySeconds", L },
    { "", "RuntimeStatsLogFile", I },
    { "", "CSIDriverSocketPath", L },
    { "", "NodeStageTimeout", L },
    { "", "NodeUnstageTimeout", L },
    { "", "IMDSIAMRolesEnabled", L },
    /* logging */
    { "ECS_LOGFILE", "", N },
    { "ECS_LOGLEVEL", "", N },
    { "ECS_LOGLEVEL_ON_INSTANCE", "", N },
    { "ECS_LOG_DRIVER", "", N },
    { "ECS_LOG_OUTPUT_FORMAT", "", N },
    { "ECS_LOG_ROLLOVER_TYPE", "", N },
    { "ECS_LOG_MAX_FILE_SIZE_MB", "", N },
    { "ECS_LOG_MAX_ROLL_COUNT", "", N },
    /* proxies, certificates and the SDK's */
    { "HTTP_PROXY", "", N },
    { "HTTPS_PROXY", "", N },
    { "NO_PROXY", "", N },
    { "SSL_CERT_FILE", "", N },
    { "SSL_CERT_DIR", "", N },
    { "AWS_CA_BUNDLE", "", N },
    { "AWS_ACCESS_KEY_ID", "", N },
    { "AWS_SECRET_ACCESS_KEY", "", N },
    { "AWS_SESSION_TOKEN", "", N },
    { "AWS_PROFILE", "", N },
    { "AWS_SHARED_CREDENTIALS_FILE", "", N },
    { "AWS_CONFIG_FILE", "", N },
    { "AWS_WEB_IDENTITY_TOKEN_FILE", "", N },
    { "AWS_ROLE_ARN", "", N },
    { "AWS_ROLE_SESSION_NAME", "", N },
    { "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "", N },
    { "AWS_CONTAINER_CREDENTIALS_FULL_URI", "", N },
    { "AWS_CONTAINER_AUTHORIZATION_TOKEN", "", N },
    { "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "", N },
    { "AWS_USE_FIPS_ENDPOINT", "", N },
    { "AWS_USE_DUALSTACK_ENDPOINT", "", N },
    { "AWS_MAX_ATTEMPTS", "", N },
    { "AWS_ENDPOINT_URL", "", N },
    { "AWS_ENDPOINT_URL_ECS", "", N },
    { "AWS_ENDPOINT_URL_ECR", "", N },
    { "AWS_ENDPOINT_URL_SSM", "", N },
    { "AWS_ENDPOINT_URL_SECRETS_MANAGER", "", N },
    { "AWS_ENDPOINT_URL_S3", "", N },
    { "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "", N },
    { "AWS_ENDPOINT_URL_EC2", "", N },
    { "AWS_ENDPOINT_URL_STS", "", N },
    { "AWS_EC2_METADATA_SERVICE_ENDPOINT", "", N },
    { "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "", N },
    { "AWS_EC2_METADATA_V1_DISABLED", "", N },
    { "AWS_EC2_METADATA_DISABLED", "", N },
    /* the init program's own */
    { "ECS_SKIP_LOCALHOST_TRAFFIC_FILTER", "", N },
    { "ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS", "", N },
    { "ECS_OFFHOST_INTROSPECTION_INTERFACE_NAME", "", I },
    { "CREDENTIALS_FETCHER_HOST", "", L },
    { "CREDENTIALS_FETCHER_HOST_DIR", "", L },
    { "CREDENTIALS_FETCHER_SECRET_NAME_FOR_DOMAINLESS_GMSA", "", L },
    { "ECS_DOMAIN_JOINED_LINUX_INSTANCE", "", L },
    { "ECS_AGENT_LABELS", "", I },
    { "ECS_AGENT_APPARMOR_PROFILE", "", I },
    { "ECS_AGENT_PID_NAMESPACE_HOST", "", I },
    { "ECS_AGENT_RUN_PRIVILEGED", "", I },
    { "ECS_LOG_OPTS", "", N },
    { "ECS_INIT_DOCKER_LOG_FILE_SIZE", "", I },
    { "ECS_INIT_DOCKER_LOG_FILE_NUM", "", I },
    /* Berth's own */
    { "BERTH_SOCKET", "", N },
    { "BERTH_START_PARALLEL", "", N },
    { "BERTH_PULL_PARALLEL", "", N },
    { "BERTH_LOG_SPOOL_MB", "", N },
    { "BERTH_LOG_SINK", "", N },
    { "BERTH_LOG_ASK_BACK", "", N },
    { "BERTH_DISK_HIGH_WATERMARK", "", N },
    { "BERTH_DISK_LOW_WATERMARK", "", N },
    { "BERTH_DISK_CHECK_INTERVAL", "", N },
    { "BERTH_LOCAL_TASKS", "", N },
    { "BERTH_TASKS_PORT", "", N },
    { "BERTH_NETWORK_RULES", "", N },
    { "BERTH_INTROSPECTION_PORT", "", N },
    { "BERTH_BIND_CREDENTIALS", "", N },
    { "BERTH_STOP_DIGEST", "", N },
    { "BERTH_METRICS", "", N },
    { "BERTH_DRAIN_ON", "", N },
    { "BERTH_INSTANCE_CONFIG", "", N },
#undef N
#undef L
#undef I
};

static const char *or_none(const char *s)
{
    return s ? s : "";
}

static void test_every_known_name_has_a_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        size_t at = *known[i].name ? vars_find(str_of(known[i].name))
                                   : vars_find_json(str_of(known[i].json));

        if (at == vars_count())
            fail_msg("%s%s has no row", known[i].name, known[i].json);
        assert_string_equal(or_none(vars_at(at)->name), known[i].name);
        assert_string_equal(or_none(vars_at(at)->json), known[i].json);
        if (vars_at(at)->support != known[i].support)
            fail_msg("%s%s: supported differently", known[i].name, known[i].json);
    }
}

static void test_every_row_is_a_known_name(void **state)
{
    (void)state;
    for (size_t r = 0; r < vars_count(); r++) {
        const char *name = or_none(vars_at(r)->name), *json = or_none(vars_at(r)->json);
        bool found = false;

        for (size_t i = 0; i < COUNT_OF(known) && !found; i++)
            found = streq(name, known[i].name) && streq(json, known[i].json);
        if (!found)
            fail_msg("%s%s is not in the list", name, json);
    }
    assert_int_equal(vars_count(), COUNT_OF(known));
}

/* Each default is one that the row's own parser takes, and no name or field is there
 * twice. */
static void test_rows_are_sound(void **state)
{
    size_t n;
    const struct config_var *rows = config_vars(&n);

    (void)state;
    assert_int_equal(n, vars_count());
    for (size_t i = 0; i < n; i++) {
        const struct var *v = vars_at(i);

        assert_ptr_equal(rows[i].name, v->name);
        assert_ptr_equal(rows[i].json, v->json);
        assert_int_equal(rows[i].support, v->support);
        assert_true(strlen(rows[i].help) > 10 && str_ends(rows[i].help, "."));
        assert_true(v->name || v->json);
        assert_true(v->type->fini || v->type->size);
        if (v->name)
            assert_int_equal(vars_find(str_of(v->name)), i);
        if (v->alias)
            assert_int_equal(vars_find(str_of(v->alias)), i);
        if (v->json)
            assert_int_equal(vars_find_json(str_of(v->json)), i);
        if (v->type == &type_secret || v->type == &type_json_secret)
            assert_true(v->secret);
        if (v->type == &type_choice || v->type == &type_switch)
            assert_non_null(v->only);
        if (v->support == CONFIG_INERT)
            assert_true(v->offset == NO_FIELD && !v->in_env);
        if (v->support == CONFIG_NOW && v->name && !v->in_env && !v->deprecated)
            assert_true(v->offset != NO_FIELD);
        for (size_t j = 0; j < i; j++)
            assert_true(v->offset == NO_FIELD || vars_at(j)->offset != v->offset);
    }
}

static void test_nearest(void **state)
{
    static const struct {
        const char *name;
        bool json;
        const char *want;
    } cases[] = {
        { "ECS_CLUSER", false, "ECS_CLUSTER" },
        { "ECS_ENABLE_SPOT_INSTANCE_DRAINNG", false, "ECS_ENABLE_SPOT_INSTANCE_DRAINING" },
        { "Clustr", true, "Cluster" },
        { "DockerStopTimout", true, "DockerStopTimeout" },
        { "ECS_CLUSTER", true, NULL },
        { "ECS_ZZ", false, NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *got = vars_nearest(str_of(cases[i].name), cases[i].json);

        assert_string_equal(or_none(got), or_none(cases[i].want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_known_name_has_a_row),
        cmocka_unit_test(test_every_row_is_a_known_name),
        cmocka_unit_test(test_rows_are_sound),
        cmocka_unit_test(test_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

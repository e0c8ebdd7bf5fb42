/* What each request looks like, from the public model of the service. */
#include "shape.h"

#define END                          \
    {                                \
        NULL, SHAPE_STR, NULL, false \
    }
#define STR(n)                    \
    {                             \
        n, SHAPE_STR, NULL, false \
    }
#define INT(n)                    \
    {                             \
        n, SHAPE_INT, NULL, false \
    }
#define NUM(n)                    \
    {                             \
        n, SHAPE_NUM, NULL, false \
    }
#define BOOL(n)                    \
    {                              \
        n, SHAPE_BOOL, NULL, false \
    }
#define STRS(n)                    \
    {                              \
        n, SHAPE_STRS, NULL, false \
    }
#define INTS(n)                    \
    {                              \
        n, SHAPE_INTS, NULL, false \
    }
#define MAP(n)                    \
    {                             \
        n, SHAPE_MAP, NULL, false \
    }
#define OBJ(n, s)              \
    {                          \
        n, SHAPE_OBJ, s, false \
    }
#define OBJS(n, s)              \
    {                           \
        n, SHAPE_OBJS, s, false \
    }
#define STR_R(n)                 \
    {                            \
        n, SHAPE_STR, NULL, true \
    }
#define INT_R(n)                 \
    {                            \
        n, SHAPE_INT, NULL, true \
    }
#define BOOL_R(n)                 \
    {                             \
        n, SHAPE_BOOL, NULL, true \
    }
#define STRS_R(n)                 \
    {                             \
        n, SHAPE_STRS, NULL, true \
    }
#define OBJS_R(n, s)           \
    {                          \
        n, SHAPE_OBJS, s, true \
    }

static const struct shape pair[] = { STR("name"), STR("value"), END };
static const struct shape tag[] = { STR("key"), STR("value"), END };
static const struct shape typed_value[] = { STR_R("value"), STR_R("type"), END };

/* ---- task definitions ---- */

static const struct shape depends_on[] = { STR_R("containerName"), STR_R("condition"), END };
static const struct shape host_entry[] = { STR_R("hostname"), STR_R("ipAddress"), END };
static const struct shape firelens[] = { STR_R("type"), MAP("options"), END };
static const struct shape health_check[] = { STRS_R("command"),  INT("interval"), INT("retries"),
                                             INT("startPeriod"), INT("timeout"),  END };
static const struct shape capabilities[] = { STRS("add"), STRS("drop"), END };
static const struct shape device[] = { STR("containerPath"), STR_R("hostPath"), STRS("permissions"),
                                       END };
static const struct shape tmpfs[] = { STR_R("containerPath"), STRS("mountOptions"), INT_R("size"),
                                      END };
static const struct shape linux_parameters[] = { OBJ("capabilities", capabilities),
                                                 OBJS("devices", device),
                                                 BOOL("initProcessEnabled"),
                                                 INT("maxSwap"),
                                                 INT("sharedMemorySize"),
                                                 INT("swappiness"),
                                                 OBJS("tmpfs", tmpfs),
                                                 END };
static const struct shape secret[] = { STR_R("name"), STR_R("valueFrom"), END };
static const struct shape log_configuration[] = { STR_R("logDriver"), MAP("options"),
                                                  OBJS("secretOptions", secret), END };
static const struct shape mount_point[] = { STR("containerPath"), BOOL("readOnly"),
                                            STR("sourceVolume"), END };
static const struct shape port_mapping[] = { STR("appProtocol"),
                                             INT("containerPort"),
                                             STR("containerPortRange"),
                                             INT("hostPort"),
                                             STR("name"),
                                             STR("protocol"),
                                             END };
static const struct shape repository[] = { STR_R("credentialsParameter"), END };
static const struct shape restart_policy[] = { BOOL_R("enabled"), INTS("ignoredExitCodes"),
                                               INT("restartAttemptPeriod"), END };
static const struct shape system_control[] = { STR("namespace"), STR("value"), END };
static const struct shape ulimit[] = { INT_R("hardLimit"), STR_R("name"), INT_R("softLimit"), END };
static const struct shape volume_from[] = { BOOL("readOnly"), STR("sourceContainer"), END };

static const struct shape container_definition[] = { STRS("command"),
                                                     INT("cpu"),
                                                     STRS("credentialSpecs"),
                                                     OBJS("dependsOn", depends_on),
                                                     BOOL("disableNetworking"),
                                                     STRS("dnsSearchDomains"),
                                                     STRS("dnsServers"),
                                                     MAP("dockerLabels"),
                                                     STRS("dockerSecurityOptions"),
                                                     STRS("entryPoint"),
                                                     OBJS("environment", pair),
                                                     OBJS("environmentFiles", typed_value),
                                                     BOOL("essential"),
                                                     OBJS("extraHosts", host_entry),
                                                     OBJ("firelensConfiguration", firelens),
                                                     OBJ("healthCheck", health_check),
                                                     STR("hostname"),
                                                     STR("image"),
                                                     BOOL("interactive"),
                                                     STRS("links"),
                                                     OBJ("linuxParameters", linux_parameters),
                                                     OBJ("logConfiguration", log_configuration),
                                                     INT("memory"),
                                                     INT("memoryReservation"),
                                                     OBJS("mountPoints", mount_point),
                                                     STR("name"),
                                                     OBJS("portMappings", port_mapping),
                                                     BOOL("privileged"),
                                                     BOOL("pseudoTerminal"),
                                                     BOOL("readonlyRootFilesystem"),
                                                     OBJ("repositoryCredentials", repository),
                                                     OBJS("resourceRequirements", typed_value),
                                                     OBJ("restartPolicy", restart_policy),
                                                     OBJS("secrets", secret),
                                                     INT("startTimeout"),
                                                     INT("stopTimeout"),
                                                     OBJS("systemControls", system_control),
                                                     OBJS("ulimits", ulimit),
                                                     STR("user"),
                                                     STR("versionConsistency"),
                                                     OBJS("volumesFrom", volume_from),
                                                     STR("workingDirectory"),
                                                     END };

static const struct shape docker_volume[] = { BOOL("autoprovision"), STR("driver"),
                                              MAP("driverOpts"),     MAP("labels"),
                                              STR("scope"),          END };
static const struct shape efs_authorization[] = { STR("accessPointId"), STR("iam"), END };
static const struct shape efs_volume[] = { OBJ("authorizationConfig", efs_authorization),
                                           STR_R("fileSystemId"),
                                           STR("rootDirectory"),
                                           STR("transitEncryption"),
                                           INT("transitEncryptionPort"),
                                           END };
static const struct shape host_volume[] = { STR("sourcePath"), END };
static const struct shape volume[] = { BOOL("configuredAtLaunch"),
                                       OBJ("dockerVolumeConfiguration", docker_volume),
                                       OBJ("efsVolumeConfiguration", efs_volume),
                                       OBJ("host", host_volume),
                                       STR("name"),
                                       END };
static const struct shape constraint[] = { STR("expression"), STR("type"), END };
static const struct shape proxy[] = { STR_R("containerName"), OBJS("properties", pair), STR("type"),
                                      END };
static const struct shape ephemeral_storage[] = { INT("sizeInGiB"), END };
static const struct shape platform[] = { STR("cpuArchitecture"), STR("operatingSystemFamily"),
                                         END };

const struct shape shape_register_task_definition[] = { OBJS_R("containerDefinitions",
                                                               container_definition),
                                                        STR("cpu"),
                                                        BOOL("enableFaultInjection"),
                                                        OBJ("ephemeralStorage", ephemeral_storage),
                                                        STR("executionRoleArn"),
                                                        STR_R("family"),
                                                        STR("ipcMode"),
                                                        STR("memory"),
                                                        STR("networkMode"),
                                                        STR("pidMode"),
                                                        OBJS("placementConstraints", constraint),
                                                        OBJ("proxyConfiguration", proxy),
                                                        STRS("requiresCompatibilities"),
                                                        OBJ("runtimePlatform", platform),
                                                        OBJS("tags", tag),
                                                        STR("taskRoleArn"),
                                                        OBJS("volumes", volume),
                                                        END };

/* ---- tasks ---- */

static const struct shape container_override[] = { STRS("command"),
                                                   INT("cpu"),
                                                   OBJS("environment", pair),
                                                   OBJS("environmentFiles", typed_value),
                                                   INT("memory"),
                                                   INT("memoryReservation"),
                                                   STR("name"),
                                                   OBJS("resourceRequirements", typed_value),
                                                   END };
static const struct shape task_override[] = { OBJS("containerOverrides", container_override),
                                              STR("cpu"),
                                              OBJ("ephemeralStorage", ephemeral_storage),
                                              STR("executionRoleArn"),
                                              STR("memory"),
                                              STR("taskRoleArn"),
                                              END };
static const struct shape strategy[] = { STR("field"), STR("type"), END };
static const struct shape awsvpc[] = { STR("assignPublicIp"), STRS("securityGroups"),
                                       STRS_R("subnets"), END };
static const struct shape network[] = { OBJ("awsvpcConfiguration", awsvpc), END };

const struct shape shape_run_task[] = { STR("clientToken"),
                                        STR("cluster"),
                                        INT("count"),
                                        BOOL("enableECSManagedTags"),
                                        BOOL("enableExecuteCommand"),
                                        STR("group"),
                                        STR("launchType"),
                                        OBJ("networkConfiguration", network),
                                        OBJ("overrides", task_override),
                                        OBJS("placementConstraints", constraint),
                                        OBJS("placementStrategy", strategy),
                                        STR("platformVersion"),
                                        STR("propagateTags"),
                                        STR("referenceId"),
                                        STR("startedBy"),
                                        OBJS("tags", tag),
                                        STR_R("taskDefinition"),
                                        END };
const struct shape shape_start_task[] = { STR("cluster"),
                                          STRS_R("containerInstances"),
                                          BOOL("enableECSManagedTags"),
                                          BOOL("enableExecuteCommand"),
                                          STR("group"),
                                          OBJ("networkConfiguration", network),
                                          OBJ("overrides", task_override),
                                          STR("propagateTags"),
                                          STR("referenceId"),
                                          STR("startedBy"),
                                          OBJS("tags", tag),
                                          STR_R("taskDefinition"),
                                          END };

/* ---- what agents send ---- */

static const struct shape attribute[] = { STR_R("name"), STR("targetId"), STR("targetType"),
                                          STR("value"), END };
static const struct shape resource[] = { NUM("doubleValue"),
                                         INT("integerValue"),
                                         { "longValue", SHAPE_LONG, NULL, false },
                                         STR("name"),
                                         STRS("stringSetValue"),
                                         STR("type"),
                                         END };
static const struct shape version_info[] = { STR("agentHash"), STR("agentVersion"),
                                             STR("dockerVersion"), END };
static const struct shape platform_device[] = { STR_R("id"), STR_R("type"), END };

/* clientToken is not in the public model, but agents send it. */
const struct shape shape_register_container_instance[] = { OBJS("attributes", attribute),
                                                           STR("clientToken"),
                                                           STR("cluster"),
                                                           STR("containerInstanceArn"),
                                                           STR("instanceIdentityDocument"),
                                                           STR("instanceIdentityDocumentSignature"),
                                                           OBJS("platformDevices", platform_device),
                                                           OBJS("tags", tag),
                                                           OBJS("totalResources", resource),
                                                           OBJ("versionInfo", version_info),
                                                           END };
const struct shape shape_discover_poll_endpoint[] = { STR("cluster"), STR("containerInstance"),
                                                      STR("zoneId"), END };

static const struct shape binding[] = { STR("bindIP"),
                                        INT("containerPort"),
                                        STR("containerPortRange"),
                                        INT("hostPort"),
                                        STR("hostPortRange"),
                                        STR("protocol"),
                                        END };
static const struct shape attachment_change[] = { STR_R("attachmentArn"), STR_R("status"), END };
static const struct shape container_change[] = {
    STR("containerName"), INT("exitCode"),  STR("imageDigest"), OBJS("networkBindings", binding),
    STR("reason"),        STR("runtimeId"), STR("status"),      END
};
static const struct shape managed_agent_change[] = { STR_R("containerName"),
                                                     STR_R("managedAgentName"), STR("reason"),
                                                     STR_R("status"), END };

const struct shape shape_submit_task[] = { OBJS("attachments", attachment_change),
                                           STR("cluster"),
                                           OBJS("containers", container_change),
                                           NUM("executionStoppedAt"),
                                           OBJS("managedAgents", managed_agent_change),
                                           NUM("pullStartedAt"),
                                           NUM("pullStoppedAt"),
                                           STR("reason"),
                                           STR("status"),
                                           STR("task"),
                                           END };
const struct shape shape_submit_container[] = { STR("cluster"),
                                                STR("containerName"),
                                                INT("exitCode"),
                                                OBJS("networkBindings", binding),
                                                STR("reason"),
                                                STR("runtimeId"),
                                                STR("status"),
                                                STR("task"),
                                                END };
const struct shape shape_submit_attachments[] = { OBJS_R("attachments", attachment_change),
                                                  STR("cluster"), END };

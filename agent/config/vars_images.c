/* Images: pulling and removing them, and what others left behind. */
#include "config/vars_row.h"

static const char *const pull_behaviors[] = {
    [PULL_DEFAULT] = "default",
    [PULL_ALWAYS] = "always",
    [PULL_ONCE] = "once",
    [PULL_PREFER_CACHED] = "prefer-cached",
    NULL,
};

static const struct var vars[] = {
    { "ECS_IMAGE_PULL_BEHAVIOR", "ImagePullBehavior", &type_choice, FIELD(pull_behavior), "default",
      .help = "default (a failed pull falls back on the local image), always, once, or "
              "prefer-cached.",
      .only = pull_behaviors, .reload = true },
    { "ECS_DISABLE_IMAGE_CLEANUP", "ImageCleanupDisabled", &type_bool,
      FIELD(image_cleanup_disabled), "false", .help = "Keep the images of tasks that are gone.",
      .reload = true },
    { "ECS_IMAGE_CLEANUP_INTERVAL", "ImageCleanupInterval", &type_duration,
      FIELD(image_cleanup_interval_ms), "30m",
      .help = "How often images that no task uses are looked for. Less than 10m gives the default.",
      .min = 600 * SECOND, .below = BELOW_DEFAULT, .reload = true },
    { "ECS_IMAGE_MINIMUM_CLEANUP_AGE", "MinimumImageDeletionAge", &type_duration,
      FIELD(image_min_age_ms), "1h",
      .help = "An image stays for at least this long after it was pulled.", .min = 0,
      .below = BELOW_DEFAULT, .reload = true },
    { "ECS_NUM_IMAGES_DELETE_PER_CYCLE", "NumImagesToDeletePerCycle", &type_int,
      FIELD(images_per_cycle), "5",
      .help = "At most so many images are removed each time, at least 1.", .min = 1,
      .max = INT32_MAX, .reload = true },
    { "ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP", "DeleteNonECSImagesEnabled", &type_bool,
      FIELD(untracked_cleanup), "false",
      .help = "Remove also stopped containers and images that no task brought.", .reload = true },
    { "NON_ECS_IMAGE_MINIMUM_CLEANUP_AGE", "NonECSMinimumImageDeletionAge", &type_duration,
      FIELD(untracked_image_min_age_ms), "1h",
      .help = "An image that no task brought stays for at least this long after it was created.",
      .min = 0, .below = BELOW_DEFAULT, .reload = true },
    { "NONECS_NUM_CONTAINERS_DELETE_PER_CYCLE", "NumNonECSContainersToDeletePerCycle", &type_int,
      FIELD(untracked_containers_per_cycle), "5",
      .help = "At most so many containers that no task brought are removed each time. 0 gives the "
              "default; below it, none is removed.",
      .min = INT32_MIN, .max = INT32_MAX, .reload = true },
    { "ECS_EXCLUDE_UNTRACKED_IMAGE", "ImageCleanupExclusionList", &type_words,
      FIELD(excluded_images), "",
      .help = "Images that are never removed: names with tags, between commas, without spaces.",
      .reload = true },
    { "BERTH_DISK_HIGH_WATERMARK", NULL, &type_int, FIELD(disk_high_pct), "85",
      .help = "At this percentage of use of Docker's disk, images that no task uses are removed "
              "before their age says so, 1 to 100.",
      .min = 1, .max = 100, .reload = true },
    { "BERTH_DISK_LOW_WATERMARK", NULL, &type_int, FIELD(disk_low_pct), "80",
      .help = "Removing ends at this percentage. It is below BERTH_DISK_HIGH_WATERMARK; else both "
              "have their defaults.",
      .min = 0, .max = 99, .reload = true },
    { "BERTH_DISK_CHECK_INTERVAL", NULL, &type_duration, FIELD(disk_check_ms), "30s",
      .help = "How often the use of Docker's disk is looked at, at least 1s.", .min = SECOND,
      .below = BELOW_RAISE, .reload = true },
};
const struct var_group vars_images = GROUP(vars);

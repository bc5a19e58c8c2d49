/*
 * reading.h - walks a parsed YAML file along the schema table and fills the configuration.
 *
 * Only config/ includes this.
 */
#ifndef CONFIG_READING_H
#define CONFIG_READING_H

#include "config/config.h"
#include "config/yaml_file.h"

/* Fills everything that stands in the file or has a default. config->folder is set. What was
 * filled before a failure is freed by duet_config_free(). */
dt_status duet_read_config(struct duet_yaml *yaml, struct duet_config *config);

#endif

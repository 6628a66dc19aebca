/* The commands, one per file. */
#ifndef CLIENT_TOOLS_COMMANDS_COMMANDS_H
#define CLIENT_TOOLS_COMMANDS_COMMANDS_H

#include "client-tools/arguments.h"

extern const struct command topic_create_command, topic_list_command, topic_describe_command,
    topic_delete_command, topic_trim_command, topic_set_command, topic_unset_command,
    topic_add_partitions_command;
extern const struct command produce_command, consume_command;
extern const struct command group_list_command, group_describe_command, group_seek_command,
    group_delete_command;
extern const struct command processor_apply_command, processor_list_command,
    processor_describe_command, processor_export_command, processor_delete_command,
    processor_test_command;
extern const struct command dlq_list_command, dlq_inspect_command;
extern const struct command log_dump_command, log_export_command, log_repair_command,
    log_verify_command;
extern const struct command cluster_describe_command, doctor_command, completion_command;

#endif

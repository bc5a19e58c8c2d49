#include "cli/cli.h"
int cli_demo(struct cli *cli, int argc, char **argv)
{
    (void)argc, (void)argv;
    return cli_usage(cli, "demo is not there yet");
}

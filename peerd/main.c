#include "peerd/peerd.h"

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, &peerd_module);
}

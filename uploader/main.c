#include "uploader/uploader.h"

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, &uploader_module);
}

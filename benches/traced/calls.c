/* One system call, or a pair, over and over: calls KIND COUNT */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    long count = atol(argv[2]);
    for (long i = 0; i < count; i++) {
        if (!strcmp(argv[1], "getppid")) {
            syscall(SYS_getppid);
        } else if (!strcmp(argv[1], "openat")) {
            int fd = open("/etc/passwd", O_RDONLY);
            if (fd < 0)
                return 1;
            close(fd);
        } else if (!strcmp(argv[1], "fork")) {
            pid_t child = fork();
            if (child == 0)
                _exit(0);
            waitpid(child, NULL, 0);
        } else {
            /* no system call */
            for (volatile int n = 0; n < 2000; n++)
                ;
        }
    }
    return 0;
}

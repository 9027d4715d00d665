/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap-exec NAME FD PROGRAM [ARG...]: runs PROGRAM with a descriptor of the tap
 * NAME, as libvirt hands it over, at FD. */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
    int fd = open("/dev/net/tun", O_RDWR);

    if (argc < 4) {
        fprintf(stderr, "usage: tap-exec NAME FD PROGRAM [ARG...]\n");
        return 1;
    }
    strncpy(ifr.ifr_name, argv[1], IFNAMSIZ - 1);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 ||
        dup2(fd, atoi(argv[2])) < 0) {
        perror("tap-exec");
        return 1;
    }
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    return 1;
}

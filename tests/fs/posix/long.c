// SPDX-License-Identifier: BSD-2-Clause
/* Checks that take tens of thousands of calls: with -L only. */
#define _GNU_SOURCE
#include "suite.h"

#define LINKS 65000u /* ext4's limit */

static void link_limit(unsigned int unused)
{
	unsigned int i;
	char name[16];

	(void)unused;
	touch("f", 0644);
	OK(mkdir("d", 0755));
	for (i = 1; i < LINKS; i++) {
		snprintf(name, sizeof(name), "d/%u", i);
		OK(link("f", name));
	}
	EQ(st("f").st_nlink, LINKS);
	CHANGES("f", "", FAILS(EMLINK, link("f", "d/more")));
	OK(unlink("d/77"));
	OK(link("f", "d/more"));
	OK(unlink("f"));
	EQ(st("d/more").st_nlink, LINKS - 1);
}

/* With dir_nlink a directory that has more subdirectories than can be counted shows one link. */
static void subdirectory_limit(unsigned int unused)
{
	unsigned int i;
	char name[16];

	(void)unused;
	OK(mkdir("d", 0755));
	for (i = 2; i < LINKS; i++) {
		snprintf(name, sizeof(name), "d/%u", i);
		OK(mkdir(name, 0755));
	}
	TRUE(st("d").st_nlink == LINKS || st("d").st_nlink == 1);
	OK(mkdir("d/more", 0755));
	EQ(st("d").st_nlink, 1);
	OK(rmdir("d/more"));
	FAILS(ENOTEMPTY, rmdir("d"));
}

void long_add_checks(void)
{
	add_check("link", "up_to_the_limit_is_emlink_behind_it", link_limit, 0);
	add_check("mkdir", "of_more_than_can_be_counted", subdirectory_limit, 0);
}

/*
 * Super blocks of tmpfs: mount options, limits, statfs.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include "base/caller.h"
#include "fs/tmpfs/tmpfs_internal.h"

static _Atomic u64 global_limit = ~0ULL, global_used; /* pages */

void tmpfs_set_global_limit(u64 bytes)
{
	atomic_store(&global_limit, bytes / PAGE_SIZE);
}

u64 tmpfs_global_used(void)
{
	return atomic_load(&global_used) * PAGE_SIZE;
}

/* Adds n to *used unless that exceeds max. */
static bool reserve(_Atomic u64 *used, u64 max, u64 n)
{
	u64 now = atomic_load_explicit(used, memory_order_relaxed);

	do {
		if (n > max || now > max - n)
			return false;
	} while (!atomic_compare_exchange_weak(used, &now, now + n));
	return true;
}

static u64 limit_of(_Atomic u64 *max)
{
	u64 n = atomic_load_explicit(max, memory_order_relaxed);

	return n ? n : ~0ULL;
}

int tmpfs_charge(struct tmpfs_super *fs, u64 pages)
{
	if (!reserve(&fs->used_pages, limit_of(&fs->max_pages), pages))
		return -ENOSPC;
	if (!reserve(&global_used, atomic_load(&global_limit), pages)) {
		atomic_fetch_sub(&fs->used_pages, pages);
		return -ENOSPC;
	}
	return 0;
}

void tmpfs_charge_force(struct tmpfs_super *fs, u64 pages)
{
	atomic_fetch_add(&fs->used_pages, pages);
	atomic_fetch_add(&global_used, pages);
}

void tmpfs_uncharge(struct tmpfs_super *fs, u64 pages)
{
	atomic_fetch_sub(&fs->used_pages, pages);
	atomic_fetch_sub(&global_used, pages);
}

int tmpfs_charge_inode(struct tmpfs_super *fs)
{
	return reserve(&fs->used_inodes, limit_of(&fs->max_inodes), 1) ? 0 : -ENOSPC;
}

void tmpfs_uncharge_inode(struct tmpfs_super *fs)
{
	atomic_fetch_sub(&fs->used_inodes, 1);
}

/* Half of what there is, as on Linux, where 'there' is the machine: 0 for no limit. */
static u64 default_pages(void)
{
	u64 all = atomic_load(&global_limit);

	return all == ~0ULL ? 0 : max_of(all / 2, 1ULL);
}

struct options {
	u64 max_pages, max_inodes;
	u32 mode, uid, gid;
};

/* "64m", "50%" (of the global limit) as bytes. */
static bool parse_size(const char *s, u64 *out)
{
	char *end;
	u64 n;
	unsigned shift = 0;

	if (!isdigit((unsigned char)*s))
		return false;
	n = strtoull(s, &end, 0);
	switch (tolower((unsigned char)*end)) {
	case '%': {
		u64 all = atomic_load(&global_limit);

		*out = all == ~0ULL ? 0 : all / 100 * n * PAGE_SIZE;
		return end[1] == 0;
	}
	case 'e':
		shift += 10; /* fallthrough */
	case 'p':
		shift += 10; /* fallthrough */
	case 't':
		shift += 10; /* fallthrough */
	case 'g':
		shift += 10; /* fallthrough */
	case 'm':
		shift += 10; /* fallthrough */
	case 'k':
		shift += 10;
		end++;
	}
	*out = n << shift;
	return *end == 0 && *out >> shift == n;
}

static bool parse_id(const char *s, int base, u32 *out)
{
	char *end;
	unsigned long n;

	if (!isdigit((unsigned char)*s))
		return false;
	n = strtoul(s, &end, base);
	*out = (u32)n;
	return *end == 0 && n <= 0xffffffffUL;
}

static bool parse_option(struct options *o, const char *key, const char *value)
{
	static const char *const accepted[] = {"huge", "inode32", "inode64", "noswap", "mpol"};
	u64 n;

	for (size_t i = 0; i < array_size(accepted); i++) {
		if (strcmp(key, accepted[i]) == 0)
			return true;
	}
	if (!value)
		return false;
	if (strcmp(key, "mode") == 0) {
		bool ok = parse_id(value, 8, &o->mode);

		o->mode &= 07777;
		return ok;
	}
	if (strcmp(key, "uid") == 0)
		return parse_id(value, 10, &o->uid) &&
		       (o->uid = user_ns_uid_in(caller_cred()->user_ns, o->uid)) != NO_ID;
	if (strcmp(key, "gid") == 0)
		return parse_id(value, 10, &o->gid) &&
		       (o->gid = user_ns_gid_in(caller_cred()->user_ns, o->gid)) != NO_ID;
	if (!parse_size(value, &n))
		return false;
	if (strcmp(key, "size") == 0)
		o->max_pages = n / PAGE_SIZE + (n % PAGE_SIZE != 0);
	else if (strcmp(key, "nr_blocks") == 0)
		o->max_pages = n;
	else if (strcmp(key, "nr_inodes") == 0)
		o->max_inodes = n;
	else
		return false;
	return true;
}

static int parse_options(struct options *o, const char *data)
{
	char *copy = strdup(data ? data : ""), *rest = copy, *item;
	int err = copy ? 0 : -ENOMEM;

	while (!err && (item = strsep(&rest, ","))) {
		char *value = strchr(item, '=');

		if (value)
			*value++ = 0;
		if (*item && !parse_option(o, item, value))
			err = -EINVAL;
	}
	free(copy);
	return err;
}

static int tmpfs_statfs(struct super *sb, struct statfs *out)
{
	struct tmpfs_super *fs = sb->priv;
	u64 max = atomic_load(&fs->max_pages), used = atomic_load(&fs->used_pages);
	u64 files = atomic_load(&fs->max_inodes), live = atomic_load(&fs->used_inodes);

	/* Without a limit all are 0, as on Linux. */
	if (max) {
		out->f_blocks = max;
		out->f_bavail = out->f_bfree = max > used ? max - used : 0;
	}
	if (files) {
		out->f_files = files;
		out->f_ffree = files > live ? files - live : 0;
	}
	return 0;
}

static void tmpfs_release(struct super *sb)
{
	free(sb->priv);
}

static int tmpfs_remount(struct super *sb, u64 flags unused_arg, const char *data)
{
	struct tmpfs_super *fs = sb->priv;
	struct options o = {.max_pages = atomic_load(&fs->max_pages),
	                    .max_inodes = atomic_load(&fs->max_inodes)};
	int err = parse_options(&o, data);

	if (err)
		return err;
	/* mm/shmem.c:shmem_reconfigure: not below what is in use. */
	if ((o.max_pages && o.max_pages < atomic_load(&fs->used_pages)) ||
	    (o.max_inodes && o.max_inodes < atomic_load(&fs->used_inodes)))
		return -EINVAL;
	atomic_store(&fs->max_pages, o.max_pages);
	atomic_store(&fs->max_inodes, o.max_inodes);
	return 0;
}

static void tmpfs_show_options(struct super *sb, char *buf, size_t n)
{
	struct tmpfs_super *fs = sb->priv;
	u64 max = atomic_load(&fs->max_pages), files = atomic_load(&fs->max_inodes);
	FILE *f;

	buf[0] = 0;
	f = fmemopen(buf, n, "w");
	if (!f)
		return;
	if (max != default_pages())
		fprintf(f, ",size=%lluk", (unsigned long long)(max * PAGE_SIZE / 1024));
	if (files != default_pages())
		fprintf(f, ",nr_inodes=%llu", (unsigned long long)files);
	if (fs->mode != 01777)
		fprintf(f, ",mode=%03o", fs->mode);
	if (fs->uid)
		fprintf(f, ",uid=%u", fs->uid);
	if (fs->gid)
		fprintf(f, ",gid=%u", fs->gid);
	fprintf(f, ",inode64");
	fclose(f);
}

static const struct super_ops tmpfs_super_ops = {
    .inode_free = node_free,
    .statfs = tmpfs_statfs,
    .release = tmpfs_release,
    .remount = tmpfs_remount,
    .show_options = tmpfs_show_options,
};

static int tmpfs_mount(const struct fs_type *type, const char *source, u64 flags, const char *data,
                       struct super **out)
{
	/* As many inodes as pages: they take sentry memory, too. */
	struct options o = {
	    .mode = 01777,
	    .max_pages = default_pages(),
	    .max_inodes = default_pages(),
	    .uid = caller_cred()->fsuid,
	    .gid = caller_cred()->fsgid,
	};
	struct tmpfs_super *fs = calloc(1, sizeof(*fs));
	struct super *sb = malloc(sizeof(*sb));
	struct create c;
	int err = fs && sb ? parse_options(&o, data) : -ENOMEM;

	if (!err)
		err = super_init(sb, &tmpfs_super_ops, type->name, source, TMPFS_MAGIC,
		                 flags | SB_LASTS | SB_TELLS);
	if (err) {
		free(fs);
		free(sb);
		return err;
	}
	fs->max_pages = o.max_pages;
	fs->max_inodes = o.max_inodes;
	fs->mode = o.mode;
	fs->uid = o.uid;
	fs->gid = o.gid;
	sb->priv = fs;
	c = (struct create){.mode = S_IFDIR | o.mode, .uid = o.uid, .gid = o.gid};
	err = node_create(sb, &c, 1, &sb->root);
	if (err) {
		super_put(sb);
		return err;
	}
	*out = sb;
	return 0;
}

const struct fs_type tmpfs_type = {.name = "tmpfs", .mount = tmpfs_mount, .nodev = true};

/* Static and uncounted, like the one of anonymous inodes. */
static struct tmpfs_super internal_fs;
static struct super internal_sb = {
    .ref = {1},
    .ops = &tmpfs_super_ops,
    .type = "tmpfs",
    .source = "tmpfs",
    .magic = TMPFS_MAGIC,
    .flags = SB_TELLS,
    .next_ino = 2,
    .inodes = 1,
    .priv = &internal_fs,
};

struct super *tmpfs_internal_super(void)
{
	return &internal_sb;
}

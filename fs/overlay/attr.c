/*
 * Attributes: read from whichever layer has the object today, changed in the upper one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fs/overlay/overlay_internal.h"

int overlay_getattr(struct inode *i)
{
	struct overlay_inode *o = to_overlay(i);
	struct inode *real = overlay_real(o);
	int err;

	/* A lower layer that keeps its attributes current does not change them either. */
	if (!real->ops->getattr && real == o->lower)
		return 0;
	err = real->ops->getattr ? real->ops->getattr(real) : 0;
	if (!err)
		overlay_sync_attr(o);
	return err;
}

int overlay_setattr(struct inode *i, const struct setattr *s)
{
	struct overlay_inode *o = to_overlay(i);
	struct setattr upper = *s;
	/* What a truncation takes away need not be copied first. */
	int err = overlay_copy_up(o, s->valid & SET_SIZE ? s->size : COPY_ALL);

	if (err)
		return err;
	upper.file = NULL;
	err = layer_setattr(overlay_upper(o), &upper);
	overlay_sync_attr(o);
	return err;
}

ssize_t overlay_readlink(struct inode *i, char *buf, size_t size)
{
	struct inode *real = overlay_real(to_overlay(i));

	return real->ops->readlink ? real->ops->readlink(real, buf, size) : -EINVAL;
}

/* --- extended attributes: the overlay's own are not there for the guest ------------------- */

ssize_t overlay_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	struct inode *real = overlay_real(to_overlay(i));

	if (overlay_is_private_xattr(name) || !real->ops->getxattr)
		return -EOPNOTSUPP;
	return real->ops->getxattr(real, name, buf, size);
}

int overlay_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags)
{
	struct overlay_inode *o = to_overlay(i);
	struct inode *real;
	int err;

	if (overlay_is_private_xattr(name))
		return -EOPNOTSUPP;
	err = overlay_copy_up(o, COPY_ALL);
	if (err)
		return err;
	real = overlay_upper(o);
	if (!real->ops->setxattr)
		return -EOPNOTSUPP;
	err = real->ops->setxattr(real, name, value, size, flags);
	overlay_getattr(i);
	return err;
}

int overlay_removexattr(struct inode *i, const char *name)
{
	struct overlay_inode *o = to_overlay(i);
	struct inode *real = overlay_real(o);
	ssize_t n;
	int err;

	if (overlay_is_private_xattr(name) || !real->ops->getxattr)
		return -EOPNOTSUPP;
	/* Nothing to remove is nothing to copy up for. */
	n = real->ops->getxattr(real, name, NULL, 0);
	if (n < 0)
		return (int)n;
	err = overlay_copy_up(o, COPY_ALL);
	if (err)
		return err;
	real = overlay_upper(o);
	if (!real->ops->removexattr)
		return -EOPNOTSUPP;
	err = real->ops->removexattr(real, name);
	overlay_getattr(i);
	return err;
}

/* Takes the overlay's own names out of a list. Its new length. */
static ssize_t filter_names(char *list, ssize_t len)
{
	char *to = list;

	for (char *at = list; at < list + len;) {
		size_t n = strlen(at) + 1;

		if (!overlay_is_private_xattr(at)) {
			memmove(to, at, n);
			to += n;
			at += n;
		} else {
			at += n;
		}
	}
	return to - list;
}

ssize_t overlay_listxattr(struct inode *i, char *buf, size_t size)
{
	struct inode *real = overlay_real(to_overlay(i));
	ssize_t len;
	char *all;

	if (!real->ops->listxattr)
		return -EOPNOTSUPP;
	len = real->ops->listxattr(real, NULL, 0);
	if (len <= 0)
		return len;
	all = malloc((size_t)len);
	if (!all)
		return -ENOMEM;
	len = real->ops->listxattr(real, all, (size_t)len);
	if (len > 0)
		len = filter_names(all, len);
	if (len > 0 && size && (size_t)len > size)
		len = -ERANGE;
	if (len > 0 && size)
		memcpy(buf, all, (size_t)len);
	free(all);
	return len;
}

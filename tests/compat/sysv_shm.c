/*
 * System V shared memory: keys, attaching, permissions, removal while attached, statistics, errors.
 * shmget(2), shmop(2).
 */
#include "compat.h"
#include <sys/ipc.h>
#include <sys/shm.h>

int main(void)
{
	key_t key = 0x43000000 + getpid();
	struct shmid_ds ds;
	int id, id2;
	char *a, *b;

	id = (int)OKAY(shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0600));
	RES(shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0600));
	YES(shmget(key, 0, 0) == id);
	YES(shmget(key, 5000, 0600) == id);
	RES(shmget(key, 20000, 0600));
	RES(shmget(key + 1, 100, 0600));
	RES(shmget(IPC_PRIVATE, 0, 0600));
	RES(shmctl(id, IPC_STAT, &ds));
	printf("size %zu mode %o attached %ld mine %d\n", ds.shm_segsz, ds.shm_perm.mode,
	       (long)ds.shm_nattch, ds.shm_perm.uid == geteuid());
	YES(ds.shm_cpid == getpid() && ds.shm_atime == 0);
	a = MAP(shmat(id, NULL, 0));
	NUM(a[9999]);
	strcpy(a, "shared");
	b = MAP(shmat(id, NULL, SHM_RDONLY));
	YES(a != b);
	STR(b);
	RES(shmctl(id, IPC_STAT, &ds));
	printf("attached %ld last %d\n", (long)ds.shm_nattch, ds.shm_lpid == getpid());
	IN_CHILD("fork inherits", RES(shmctl(id, IPC_STAT, &ds)); NUM(ds.shm_nattch); STR(a);
	         strcpy(a, "by child"));
	STR(b);
	RES(shmctl(id, IPC_STAT, &ds));
	NUM(ds.shm_nattch);
	IN_CHILD("read-only", b[0] = 'x');
	RES(shmdt(b));
	RES(shmdt(b));
	RES(shmdt(a + 1));
	MAP(shmat(id, a + 1, 0));
	MAP(shmat(id, a, 0));
	MAP(shmat(999999, NULL, 0));
	void *where = mmap(NULL, 16384, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(where, 16384);
	YES(shmat(id, (char *)where + 100, SHM_RND) == where);
	MAP(shmat(id, where, SHM_REMAP));

	ds.shm_perm.mode = 0640;
	RES(shmctl(id, IPC_SET, &ds));
	RES(shmctl(id, IPC_STAT, &ds));
	printf("mode %o\n", ds.shm_perm.mode);
	ds.shm_perm.mode = 0600;
	shmctl(id, IPC_SET, &ds);
	if (geteuid() == 0)
		IN_CHILD("as nobody", become_nobody(); MAP(shmat(id, NULL, 0));
		         RES(shmctl(id, IPC_STAT, &ds)); RES(shmctl(id, IPC_RMID, NULL));
		         RES(shmget(key, 0, 0600)));
	RES(shmctl(id, IPC_RMID, NULL));
	strcpy(a, "lives on");
	STR((char *)where);
	RES(shmget(key, 0, 0)); /* the key is free again */
	id2 = (int)OKAY(shmget(key, 4096, IPC_CREAT | 0600));
	YES(id2 != id);
	RES(shmctl(id2, IPC_RMID, NULL));
	RES(shmctl(id, IPC_STAT, &ds));
	printf("mode %o\n", ds.shm_perm.mode); /* SHM_DEST */
	RES(shmdt(where));
	RES(shmdt(a));
	RES(shmctl(id, IPC_STAT, &ds));
	RES(shmctl(id, 999, NULL));
	RES(shmctl(999999, IPC_STAT, &ds));
	return 0;
}

/* The three kinds, for ipc.c. */
#pragma once
struct thread_group;

void shm_init(void);
void sem_init_ids(void);
void msg_init(void);

/* The three kinds, for ipc.c. */
#pragma once
struct thread_group;

void shm_ids_init(void);
void sem_ids_init(void);
void msg_ids_init(void);

/* What happens when the sandbox is over its memory limit. */
#pragma once

/* Ends the process that takes the most memory, by oom_score_adj's rules. Any host thread. */
void oom_kill(void);

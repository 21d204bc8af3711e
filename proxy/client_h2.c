/* A place for HTTP/2. */
#include "proxy/client_h2.h"
#include "proxy/session.h"
void
client_h2_begin(struct session *s, struct span early)
{
	(void)early;
	session_discard(s);
}

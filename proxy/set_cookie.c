/* Writing the attributes of our cookies. */
#include "proxy/set_cookie.h"

#include <inttypes.h>
#include <stdio.h>

size_t
set_cookie_attributes(char *buf, uint32_t ttl_s, bool secure)
{
	return (size_t)snprintf(buf, SET_COOKIE_ATTRIBUTES,
	    "; Max-Age=%" PRIu32 "; Path=/; HttpOnly; SameSite=Lax%s", ttl_s,
	    secure ? "; Secure" : "");
}

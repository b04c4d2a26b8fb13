// XXH3 over what may be long, such as a session: the library's functions that choose the widest instructions this
// processor has, where it has them, under the usual names; a usual session's checksum takes half the time then. Else
// compiled in. Layer: base. Short things need neither: they include <xxhash.h> with XXH_INLINE_ALL.
#ifndef CLUSTERED_SESSION_BASE_XXH3_H_
#define CLUSTERED_SESSION_BASE_XXH3_H_

#ifdef CLUSTERED_SESSION_XXH_DISPATCH
#define XXH_STATIC_LINKING_ONLY
#include <xxh_x86dispatch.h>
#else
#define XXH_INLINE_ALL
#include <xxhash.h>
#endif

#endif  // CLUSTERED_SESSION_BASE_XXH3_H_

// Which sanitizers this is compiled with: g++ defines a macro for each, clang 14 only answers __has_feature.
// Layer: base.
#ifndef CLUSTERED_SESSION_BASE_SANITIZERS_H_
#define CLUSTERED_SESSION_BASE_SANITIZERS_H_

#if !defined(__has_feature)
#define CLUSTERED_SESSION_HAS_FEATURE(name) 0
#else
#define CLUSTERED_SESSION_HAS_FEATURE(name) __has_feature(name)
#endif

// 1 or 0 each.
#if defined(__SANITIZE_ADDRESS__) || CLUSTERED_SESSION_HAS_FEATURE(address_sanitizer)
#define CLUSTERED_SESSION_ADDRESS_SANITIZER 1
#else
#define CLUSTERED_SESSION_ADDRESS_SANITIZER 0
#endif
#if defined(__SANITIZE_THREAD__) || CLUSTERED_SESSION_HAS_FEATURE(thread_sanitizer)
#define CLUSTERED_SESSION_THREAD_SANITIZER 1
#else
#define CLUSTERED_SESSION_THREAD_SANITIZER 0
#endif

#endif  // CLUSTERED_SESSION_BASE_SANITIZERS_H_

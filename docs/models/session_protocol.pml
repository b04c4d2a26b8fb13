// A model of the session protocol (docs/protocol.md; src/session/, src/record/record.cc) for the model checker spin.
// scripts/check_models runs it: two tabs of one browser on two servers with two nodes, in every order of their steps,
// with one fault in any place.
//
// What must hold, in every order. The oracles know keys of $_SESSION, not versions:
// - G1: a read shows every key that was acknowledged to the browser before the request was sent; when all is healed
//   and one more request has come to either server, both nodes have every acknowledged key (Serve, Respond).
// - G2: so does a read that asks no node. And once a takeover that a node has acknowledged was answered, no write of
//   the owner before ends without it noticing (FinishCommit).
// - G3: no key on a node is replaced by a record that lacks it, but for the end of its life (Store). What a client is
//   told to be saved is on a node, or in an entry that is kept (FinishCommit).
// - G4: no read sent after a destruction that a node acknowledged shows what was acknowledged before it began.
//
// What is modelled: each node's conditional write and each of its answers is a step of its own. Tokens and
// incarnations; lives with names of their own and the ends that each record tells, epochs, version vectors,
// fingerprints; the read's and the write's way of telling past, successor and branch; takeover, repair, conflict,
// retraction; the tombstone that ends what it meets unless that was begun since, and is told again; health. A request
// adds a key, only reads, or (-DDESTROYS) destroys. The session is there at first, or (-DENDED_FIRST) has ended.
// Faults: an answer is lost, or a write comes late or never; that either takes up the time of the whole write, or not;
// the server dies while it writes; a node comes back empty or with the session, or its end, as it was at first.
//
// What it abstracts:
// - Causal contexts are version vectors, and a server that may not know its last writes is another actor from then on.
// - A node that tells a mark in place of its record has shown the record: who knows another one with this mark has the
//   same bytes, and else the record is read in a second flight, which is an answer that came later.
// - A tombstone has a version, so that a vector's numbers never repeat. All lifetimes are the same.
// - A payload is a set of keys, none is ever removed: a merge of any kind is a union.
// - A record is a number, so two of the same bytes are the same.
// - Time: trust may end at any moment. The grace ends with a node's confirmation in a request that began when no
//   request of an older cookie was under way: takeover_grace is longer than the longest request and local_trust
//   together.
// - A name that a server takes anew is the request's number. Vectors have room for all.
// - Three attempts in place of six. A health flag ends at any time.
// - What belongs to one server and one request is one step with the answer before it: the session lock keeps others
//   out.
// - A request that comes late to a server is one that waits for its lock. The client gets cookie and acknowledgement
//   together, at the request's end.
// Left out: lock=none, write=behind and the flush, on_conflict other than merge, empty and new sessions, refresh, the
// repair and the news of background threads, a destruction that has read nothing, a third node and server, a second
// fault. A destruction that no node has acknowledged leaves all undecided, as in the limits.
//
// With ENDED_FIRST a read that asks no node is not judged: where two servers begin a life at once and an answer is
// lost, the client may keep the cookie of the one that was overtaken. News and local_trust bound that, and time is not
// modelled.
//
// Every run comes to its end: nobody waits for ever (Network).
//
// Each of these errors, built in by -D, must be found. LOST_ERASES, which this model found: an entry whose session was
// taken over is removed though no node has its last write. A node stores and answers in one step; APART parts them.
// check: -DREQUESTS_0=2
// mutants: CAS_OFF, TOKEN_OVER_RESTART, NO_VECTORS, NO_MERGE, READ_ONE, NO_REPAIR, NO_GRACE, TAKEOVER_LATE, LOST_ERASES
// check: -DDESTROYS
// mutants: NO_LIVES, NO_TOMBSTONE, ENDS_UNREPAIRED
// check: -DDESTROYS -DENDED_FIRST
// mutants: ENDS_FORGOTTEN, END_TAKES_ALL
// check: -DAPART
// check: -DREQUESTS_0=2 -DSAME_ID -DFAULTS=0
// mutants: NO_EPOCH
//
// For scripts/check_models:
// compile: -DSAFETY -DCOLLAPSE -O1
// run: -m1000

#ifndef REQUESTS_0
#define REQUESTS_0 1
#endif
#ifndef REQUESTS_1
#define REQUESTS_1 1
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#define ATTEMPTS 3

// A version vector: six lanes of five bits, one for each actor. The highest bit of a lane is 0.
#define HIGH_BITS 554189328
#define NOT_LOWER(a, b) ((((a) | HIGH_BITS) - (b)) & HIGH_BITS)  // the lanes in which a >= b
#define WHOLE_LANES(bits) ((bits) - ((bits) >> 4))
#define COVERS(a, b) (NOT_LOWER(a, b) == HIGH_BITS)
#define ABSORB(a, b) (((a) & WHOLE_LANES(NOT_LOWER(a, b))) | ((b) & ~WHOLE_LANES(NOT_LOWER(a, b))))
#define ADVANCE(vec, actor, version) (((vec) & ~(31 << (5 * (actor)))) | ((version) << (5 * (actor))))

// A record is a head, 0 for none, and a vector. Together they are all of its bytes, and so its fingerprint.
#define KEYS(h) ((h) & 63)
#define TOMB(h) (((h) >> 6) & 1)
#define OWNER(h) (((h) >> 7) & 3)
#define LIVES(h) (((h) >> 9) & 31)   // to which it belongs; a tombstone to none
#define ENDED(h) (((h) >> 14) & 31)  // lives that it knows to be over
#define VERSION(h) (((h) >> 19) & 15)
#define EPOCH(h) (((h) >> 23) & 15)
#define ORDER(h) ((h) >> 19)  // epoch, then version
#define ENDING(lives) ((lives) << 14)
#define EPOCHS(n) ((n) << 23)
#define HEAD(epoch, version, owner, lives, ended, tomb, keys) \
  (EPOCHS(epoch) | ((version) << 19) | ENDING(ended) | ((lives) << 9) | ((owner) << 7) | ((tomb) << 6) | (keys))
#define LATER(a, b) ((a) < (b) -> (b) : (a))
#define WITH_VERSION(h, version) (((h) & ~(15 << 19)) | ((version) << 19))
#define WITH_EPOCH(h, epoch, owner) (((h) & ~(EPOCHS(15) | (3 << 7))) | EPOCHS(epoch) | ((owner) << 7))
#define UNITED(h) ((h) & (63 | (31 << 9) | ENDING(31)))  // what a merge takes over: keys, lives, ends
#define FIRST_LIFE 1
#ifdef ENDS_FORGOTTEN
#define KEPT_ENDS(ended) 0
#else
#define KEPT_ENDS(ended) (ended)
#endif
#define NEW_LIFE(ended, request) ((ended) == 0 -> FIRST_LIFE : 1 << (request))

// LineageOf(): the record r, rv beside what is known: k, kv, and the fingerprint kf (a head; 0: none).
#define SAME(r, rv, kv, kf) ((r) == (kf) && (rv) == (kv))
#define HAS_ALL(set, of) (((of) & ~(set)) == 0)
#ifdef NO_LIVES
#define ENDS(k, r) (TOMB(k) && !TOMB(r) && VERSION(r) <= VERSION(k))
#else
#define ENDS(k, r) ((ENDED(k) & LIVES(r)) != 0)
#endif
#define SAME_END(r, k) (TOMB(r) && TOMB(k) && ENDED(r) == ENDED(k))
#define TOMB_PAST(r, k) (TOMB(r) && HAS_ALL(ENDED(k), ENDED(r)))
#ifdef NO_VECTORS
#define LIVE_PAST(r, rv, k, kv, kf) (VERSION(r) <= VERSION(k))
#define LIVE_MADE_FROM(r, rv, k, kv) (VERSION(r) > VERSION(k))
#else
#define LIVE_PAST(r, rv, k, kv, kf) (COVERS(kv, rv) && !(COVERS(rv, kv) && (kf) != 0))
#define LIVE_MADE_FROM(r, rv, k, kv) (COVERS(kv, rv) && !COVERS(kv, rv))
#endif
#define PAST(r, rv, k, kv, kf) \
  (SAME(r, rv, kv, kf) || \
   (ENDS(k, r) && ENDS(r, k) -> (r) < (kf) : \
    (ENDS(k, r) || ENDS(r, k) -> ENDS(k, r) : \
     (TOMB(r) || TOMB(k) -> TOMB_PAST(r, k) : LIVE_PAST(r, rv, k, kv, kf)))))
#define MADE_FROM(r, rv, k, kv, kf) \
  (!SAME(r, rv, kv, kf) && \
   (ENDS(k, r) && ENDS(r, k) -> (r) >= (kf) : \
    (ENDS(k, r) || ENDS(r, k) -> ENDS(r, k) : \
     (TOMB(r) || TOMB(k) -> TOMB_PAST(k, r) && !TOMB_PAST(r, k) : LIVE_MADE_FROM(r, rv, k, kv)))))
// EndedBeside(): the lives of r that h does not name as ended, although r's session has.
#define BESIDE(h, r) (ENDS(h, r) -> LIVES(r) & ~ENDED(h) & ~LIVES(h) : 0)

// The nodes.
#ifdef ENDED_FIRST
#define FIRST_ITEM HEAD(1, 1, 0, 0, FIRST_LIFE, 1, 0)
#define FIRST_VEC 0
#else
#define FIRST_ITEM HEAD(1, 1, 0, FIRST_LIFE, 0, 0, 1)
#define FIRST_VEC 1
#endif
int item[2];
int item_vec[2];
byte cas[2];  // of the last item that was stored
byte incarnation[2];

// A write that is under way though nobody waits for it any more.
int late[2];
int late_vec[2];
byte late_token[2];
byte late_born[2];

#ifdef CAS_OFF
#define MAY_STORE(n, token, born) true
#else
#ifdef TOKEN_OVER_RESTART
#define MAY_STORE(n, token, born) (item[n] == 0 -> (token) == 0 : (token) == cas[n])
#else
#define MAY_STORE(n, token, born) \
  ((token) == 0 || (born) != incarnation[n] -> item[n] == 0 : item[n] != 0 && (token) == cas[n])
#endif
#endif
// G3: what is replaced is in what replaces it, or is of a life that has ended. G4: no end is forgotten.
#define KEEPS(now, then) \
  ((then) == 0 || (HAS_ALL(ENDED(now), ENDED(then)) && \
                   (TOMB(then) || ENDS(now, then) || (!TOMB(now) && HAS_ALL(KEYS(now), KEYS(then))))))

// All inlines are for d_step.
inline Store(n, h, v, token_n, born_n) {
  if
  :: MAY_STORE(n, token_n, born_n) ->
    assert(VERSION(h) < 15 && EPOCH(h) < 15);
    assert(KEEPS(h, item[n]));
    item[n] = h; item_vec[n] = v;
    cas[n]++
#ifdef NO_TOMBSTONE
    ;
    if :: TOMB(h) -> item[n] = 0; item_vec[n] = 0 :: else fi
#endif
  :: else
  fi
}

inline Restart(n, h, v) {
  faults--;
  item[n] = h; item_vec[n] = v; cas[n] = (h != 0);
  incarnation[n]++
}

inline Arrive(n) {
  Store(n, late[n], late_vec[n], late_token[n], late_born[n]);
  late[n] = 0; late_vec[n] = 0; late_token[n] = 0; late_born[n] = 0
}

// The servers.
typedef Entry {
  int head;  // 0: none here
  int vec;
  int print;  // the head of the record that is exactly this; 0: there is none
  byte actor;
  byte acks;     // nodes that have it
  bool pending;  // a takeover that is not written
  bool grace;
  byte token[2];
  byte born[2]  // the tokens' incarnations
}
Entry entry[2];
byte instance[2];
bool locked[2];  // the session lock
bool ill[4];     // node health: server * 2 + node
#define WORKS(n) (!ill[s * 2 + (n)])

// The browser: one cookie for both of its tabs.
#ifdef SAME_ID
#define ID 0
#else
#define ID s
#endif
#define COOKIE(epoch) ((epoch) * 2 + ID)
byte cookie;
byte claim[2];    // the cookie of each tab's request
byte running[2];  // the server that has it, plus 1; 0: none
byte adds[2];     // the key that it adds; 0: none

// What the oracles know. Keys are bits.
byte acked;
byte undecided;  // a destruction may have ended them or not
byte dead;       // what was destroyed
byte told;       // the highest epoch under which a request has been answered
bool destroyed;
byte faults = FAULTS;
byte ended;  // tabs
bool healed;

// Of a request.
#define IDLE 0
#define COMES 1
#define READS 2
#define WRITES 3
// Of a node, in its flight.
#define OPEN 0
#define SENT 1
#define TAKEN 2  // stored or refused, and not read back
#define ANSWERED 3
#define HOLDS 4
#define FAILED 5
#define IN_FLIGHT(n) (state[n] == SENT || state[n] == TAKEN)

inline LoadEntry() {
  locked[s] = true; head = entry[s].head; vec = entry[s].vec; print = entry[s].print; acks = entry[s].acks;
  pending = entry[s].pending; grace = entry[s].grace; token[0] = entry[s].token[0];
  token[1] = entry[s].token[1]; born[0] = entry[s].born[0]; born[1] = entry[s].born[1];
  actor = (head != 0 -> entry[s].actor : own_actor);
  // Whether every request under way elsewhere knows of this server's takeover.
  calm = (running[1 - me] == 0 || running[1 - me] == s + 1 || claim[1 - me] == COOKIE(EPOCH(head)))
}

inline PutEntry() {
  entry[s].head = head; entry[s].vec = vec; entry[s].print = print; entry[s].actor = actor;
  entry[s].acks = acks; entry[s].pending = pending; entry[s].grace = grace; entry[s].token[0] = token[0];
  entry[s].token[1] = token[1]; entry[s].born[0] = born[0]; entry[s].born[1] = born[1]
}

inline EraseEntry() {
  entry[s].head = 0; entry[s].vec = 0; entry[s].print = 0; entry[s].actor = 0; entry[s].acks = 0;
  entry[s].pending = false; entry[s].grace = false; entry[s].token[0] = 0; entry[s].token[1] = 0;
  entry[s].born[0] = 0; entry[s].born[1] = 0
}

// G2.
#ifdef NO_EPOCH
#define CLAIMED ((claim[me] & 1) == ID)
#else
#define CLAIMED (claim[me] == COOKIE(EPOCH(entry[s].head)))
#endif
#ifdef NO_GRACE
#define GRACE_OVER true
#else
#define GRACE_OVER (!entry[s].grace)
#endif
#define TRUSTED (entry[s].head != 0 && CLAIMED && !entry[s].pending && GRACE_OVER)

// A node shows what it holds.
inline Answer(n) {
  got[n] = item[n]; got_vec[n] = item_vec[n]; token[n] = (item[n] == 0 -> 0 : cas[n]);
  born[n] = (item[n] == 0 -> 0 : incarnation[n]); state[n] = ANSWERED
}

// The write that was sent may arrive all the same.
inline LeaveBehind(n) {
  if
  :: state[n] == SENT ->
    late[n] = head; late_vec[n] = vec; late_token[n] = token[n]; late_born[n] = born[n]
  :: else
  fi
}

inline NoAnswer(n) {
  faults--;
  LeaveBehind(n);
  state[n] = FAILED; token[n] = 0; born[n] = 0;
  ill[s * 2 + n] = true
}

inline ForgetAnswers() {
  got[0] = 0; got[1] = 0; got_vec[0] = 0; got_vec[1] = 0
}

// ---- Read.

#define SURPASSED(n, m) \
  (got[m] != 0 && (SAME(got[n], got_vec[n], got_vec[m], got[m]) || SAME_END(got[n], got[m]) -> m < n : \
                   PAST(got[n], got_vec[n], got[m], got_vec[m], got[m])))
#define IS_HEAD(n, m) (got[n] != 0 && !PAST(got[n], got_vec[n], head, vec, print) && !SURPASSED(n, m))
#define IS_MADE(n) MADE_FROM(got[n], got_vec[n], head, vec, print)
#define LAGS(n) \
  (state[n] == ANSWERED && \
   (got[n] == 0 || (!SAME(got[n], got_vec[n], vec, print) && !SAME_END(got[n], head) && \
                    PAST(got[n], got_vec[n], head, vec, print))))

inline MergeBranch(h, v) {
  if
  :: TOMB(h) -> head = head | ENDING(ENDED(h))
  :: else ->
    head = WITH_VERSION(head | UNITED(h), LATER(VERSION(head), VERSION(h))); vec = ABSORB(vec, v); print = 0;
    must_write = true
  fi
}

inline Adopt(n) {
  pending = !(OWNER(got[n]) == instance[s] || TOMB(got[n]));
  both = !TOMB(got[n]) && (pending || head == 0 || TOMB(head));  // a grace begins, and outlasts this request
  grace = !TOMB(got[n]) && (grace || both); calm = calm && !both;
  actor = (OWNER(got[n]) == instance[s] -> own_actor : actor); head = got[n] + EPOCHS(pending);
  vec = got_vec[n]; print = got[n]; acks = 2
}

inline EndBeside() {
  beside = BESIDE(head, h) | (got[0] != 0 -> BESIDE(head, got[0]) : 0) | (got[1] != 0 -> BESIDE(head, got[1]) : 0);
  if
  :: beside != 0 -> head = head | ENDING(beside); print = 0; must_write = true
  :: else
  fi;
  beside = 0
}

inline Reconcile() {
  h = head; v = vec;
  // The one to be shown first: a session before an end, then the later one.
  a = (IS_HEAD(0, 1) && !(IS_HEAD(1, 0) && (TOMB(got[0]) > TOMB(got[1]) ||
                                           (TOMB(got[0]) == TOMB(got[1]) && ORDER(got[1]) > ORDER(got[0])))) -> 0 : 1);
  b = 1 - a;
  if
  :: IS_HEAD(a, b) ->
    more = IS_HEAD(b, a);
    if
    :: head == 0 || TOMB(head) || IS_MADE(a) || (more && IS_MADE(b) && (TOMB(got[a]) || !TOMB(got[b]))) -> Adopt(a);
      if :: TOMB(h) -> MergeBranch(h, 0) :: else fi
    :: else ->
      if
      :: !TOMB(got[a]) && ORDER(got[a]) > ORDER(head) -> Adopt(a); MergeBranch(h, v)
      :: else -> MergeBranch(got[a], got_vec[a])
      fi
    fi;
    if :: more -> MergeBranch(got[b], got_vec[b]) :: else fi
  :: else
  fi;
  if :: head != 0 -> EndBeside() :: else fi;
#ifndef NO_REPAIR
#ifdef ENDS_UNREPAIRED
  must_write = must_write || (head != 0 && !TOMB(head) && (LAGS(0) || LAGS(1)));
#else
  must_write = must_write || (head != 0 && (LAGS(0) || LAGS(1)));
#endif
#endif
  both = false; more = false; a = 0; b = 0; h = 0; v = 0;
  if :: state[0] == ANSWERED || state[1] == ANSWERED -> grace = grace && !calm :: else fi;
  PutEntry()
}

#ifdef TAKEOVER_LATE
#define TAKEN_OVER false
#else
#define TAKEN_OVER pending
#endif
#define WORKING (WORKS(0) + WORKS(1))
#define NEEDS_WRITE (must_write || TAKEN_OVER || (WORKING > acks && (acks == 0 || WORKING == 2)))  // NodesNeedWrite()

#ifdef ENDED_FIRST
#define STALE (state[0] == OPEN && state[1] == OPEN)  // no node was asked
#else
#define STALE false
#endif

// PHP has the session. What it does was chosen when the request was sent.
inline Serve() {
  // G1, G2: all that was acknowledged before this was sent. G4: nothing that was destroyed before.
  assert((seen & ~undecided & ~KEYS(head)) == 0 || STALE);
  assert((seen_dead & KEYS(head)) == 0 || STALE);
  ForgetAnswers();
  state[0] = OPEN; state[1] = OPEN; sent_epoch = EPOCH(head) + TOMB(head); floor = told;
  if
  :: destroys && !destroyed && head != 0 && !TOMB(head) ->
    destroyed = true; doomed = acked; undecided = 63; actor = own_actor;
    head = HEAD(EPOCH(head), VERSION(head) + 1, 0, 0, ENDED(head) | LIVES(head), 1, 0);
    vec = 0;
    Send()
  :: !destroys && adds[me] == 0 && TOMB(head) && NEEDS_WRITE -> again = true; Send()  // told again as it was
  :: !destroys && (adds[me] != 0 || (head != 0 && !TOMB(head) && NEEDS_WRITE)) ->
    vec = (TOMB(head) -> 0 : vec);
    head = HEAD(EPOCH(head) + TOMB(head), VERSION(head) + 1, instance[s],
                (LIVES(head) == 0 -> NEW_LIFE(ENDED(head), own_actor) : LIVES(head)), KEPT_ENDS(ENDED(head)), 0,
                KEYS(head) | adds[me]);
    vec = ADVANCE(vec, actor, VERSION(head));
    Send()
  :: else -> destroys = false; Respond()
  fi
}

// ---- Write.

inline Send() {
  phase = WRITES; state[0] = (state[0] == OPEN && WORKS(0) -> SENT : state[0]);
  state[1] = (state[1] == OPEN && WORKS(1) -> SENT : state[1])
}

#define CONTEST(n) \
  (state[n] == ANSWERED && got[n] != 0 && \
   (!PAST(got[n], got_vec[n], head, vec, head) || BESIDE(head, got[n]) != 0))
#ifdef NO_TOMBSTONE
#define IS_WHAT_WAS_SENT(n) (state[n] == ANSWERED && (TOMB(head) -> got[n] == 0 : got[n] == head && got_vec[n] == vec))
#else
#define IS_WHAT_WAS_SENT(n) \
  (state[n] == ANSWERED && ((got[n] == head && got_vec[n] == vec) || SAME_END(got[n], head)))
#endif

#ifdef END_TAKES_ALL
#define BEGUN_SINCE(r) false
#else
#define BEGUN_SINCE(r) (!TOMB(r) && !ENDS(head, r) && (again || HAS_ALL(ENDED(r), ENDED(head))))
#endif

// AbsorbMet() for one of them: the tombstone ends it as well, unless it was begun since.
inline ResolveEnd(n) {
  if
  :: gone
  :: !gone && BEGUN_SINCE(got[n]) -> gone = true
  :: else ->
    head = head | ENDING(ENDED(got[n]) | LIVES(got[n]));
    head = WITH_EPOCH(head, LATER(EPOCH(head), EPOCH(got[n])), 0)
  fi
}

// TakeInMet() for one of them.
inline Resolve(n) {
  if
  :: gone
  :: !gone && PAST(got[n], got_vec[n], head, vec, head) -> head = head | ENDING(BESIDE(head, got[n]))
  :: !gone && !PAST(got[n], got_vec[n], head, vec, head) && ENDS(got[n], head) ->
    gone = true; h = got[n]; v = got_vec[n]
  :: else ->
#ifdef NO_MERGE
    head = head | (UNITED(got[n]) & ~63);
#else
    head = head | UNITED(got[n]);
#endif
    vec = ABSORB(vec, got_vec[n]);
    if
    :: TOMB(got[n])
    :: else ->
      head = WITH_VERSION(head, LATER(VERSION(head), VERSION(got[n])));
      if
      :: EPOCH(got[n]) > EPOCH(head) -> head = WITH_EPOCH(head, EPOCH(got[n]), OWNER(got[n])); lost = true
      :: else
      fi
    fi
  fi
}

// A node took this write before another showed that the session is over: what says so belongs there as well, and with
// it what else has ended.
inline Retract() {
  beside = BESIDE(h, head);
  again = beside != 0 && TOMB(h);  // those that have the end are told as well
  state[0] = (state[0] == HOLDS || (again && got[0] == h && got_vec[0] == v) -> ANSWERED : FAILED);
  state[1] = (state[1] == HOLDS || (again && got[1] == h && got_vec[1] == v) -> ANSWERED : FAILED);
  head = (again -> h | ENDING(beside) : h); vec = v; beside = 0
}

// All nodes of the flight have answered, or will not.
inline HandleReplies() {
  tries++;
  state[0] = (IS_WHAT_WAS_SENT(0) -> HOLDS : state[0]); state[1] = (IS_WHAT_WAS_SENT(1) -> HOLDS : state[1]);
  a = CONTEST(0); b = CONTEST(1) && !(a && SAME(got[1], got_vec[1], got_vec[0], got[0])); contested = a || b;
  if
  :: contested ->
    // Ends come first.
    both = b && (!a || TOMB(got[1]) > TOMB(got[0]) || (TOMB(got[1]) == TOMB(got[0]) && ORDER(got[1]) < ORDER(got[0])));
    if
    :: TOMB(head) ->
      if :: both -> ResolveEnd(1) :: else fi;
      if :: a -> ResolveEnd(0) :: else fi;
      if :: b && !both -> ResolveEnd(1) :: else fi
    :: else ->
      if :: both -> Resolve(1) :: else fi;
      if :: a -> Resolve(0) :: else fi;
      if :: b && !both -> Resolve(1) :: else fi
    fi;
    both = false;
    if
    :: gone && TOMB(head) -> state[0] = FAILED; state[1] = FAILED
    :: gone && !TOMB(head) -> Retract()
    :: else ->
      if
      :: !TOMB(head) -> head = WITH_VERSION(head, VERSION(head) + 1); vec = ADVANCE(vec, actor, VERSION(head))
      :: else
      fi;
      state[0] = (state[0] == HOLDS -> OPEN : state[0]); state[1] = (state[1] == HOLDS -> OPEN : state[1])
    fi
  :: else
  fi;
  state[0] = (state[0] == ANSWERED -> OPEN : state[0]); state[1] = (state[1] == ANSWERED -> OPEN : state[1]);
  a = 0; b = 0; h = 0; v = 0;
  ForgetAnswers();
  if :: gone || (!spent && tries < ATTEMPTS) -> Send() :: else fi
}

// A flight has got an answer or lost one.
inline Proceed() {
  if
  :: IN_FLIGHT(0) || IN_FLIGHT(1)
  :: else ->
    if :: !gone -> HandleReplies() :: else fi;
    if
    :: IN_FLIGHT(0) || IN_FLIGHT(1)
    :: else -> FinishCommit(); Respond()
    fi
  fi
}

inline FinishCommit() {
  acks = (state[0] == HOLDS) + (state[1] == HOLDS); print = (contested -> 0 : head); pending = false;
  grace = grace && !(calm && acks != 0);
  if
  :: gone -> EraseEntry()
#ifdef LOST_ERASES
  :: lost && acks == 0 -> EraseEntry()
#endif
#ifdef NO_TOMBSTONE
  :: TOMB(head) -> EraseEntry()
#endif
  :: else ->
    if
    :: lost ->  // the next request of this session takes it over again
      pending = (acks != 0); grace = true; head = head + EPOCHS(1);
      PutEntry();
      head = head - EPOCHS(1)
    :: else -> PutEntry()
    fi
  fi;
  // An old owner notices.
  assert(gone || lost || TOMB(head) || destroyed || EPOCH(head) >= floor);
  // What the client is told is somewhere.
  assert(gone || (adds[me] & ~KEYS(item[0]) & ~KEYS(item[1]) & ~KEYS(entry[s].head) & ~undecided) == 0);
  acks = (gone -> destroys : acks)  // an end that was met is one
}

inline Respond() {
  if
  :: destroys ->
    dead = dead | (acks != 0 -> doomed : 0); undecided = (acks != 0 -> acked | adds[1 - me] : 63)
  :: else
  fi;
  acked = acked | (acks != 0 -> adds[me] : 0);
  cookie = (claim[me] != COOKIE(sent_epoch) -> COOKIE(sent_epoch) : cookie);
  told = (acks != 0 -> LATER(told, sent_epoch) : told);
  if
  :: healing ->
    healed = true;
    assert((acked & ~undecided & ~(KEYS(item[0]) & KEYS(item[1]))) == 0);
    assert((dead & (KEYS(item[0]) | KEYS(item[1]))) == 0)
  :: else
  fi;
  Leave()
}

inline Leave() {
  phase = IDLE; locked[s] = false; running[me] = 0; claim[me] = 0; ended = ended + (requests == 0 && !healing);
  s = 0; own_actor = 0; adds[me] = 0; seen = 0; seen_dead = 0; sent_epoch = 0; floor = 0; doomed = 0; tries = 0;
  calm = false; destroys = false; spent = false; contested = false; gone = false; lost = false; again = false;
  head = 0; vec = 0; print = 0; actor = 0; acks = 0; pending = false; grace = false; must_write = false;
  token[0] = 0; token[1] = 0; born[0] = 0; born[1] = 0; state[0] = OPEN; state[1] = OPEN;
  ForgetAnswers()
}

inline Come(server, writes) {
  phase = COMES; s = server;
  requests--;
  own_actor = first + requests; adds[me] = (writes -> 1 << own_actor : 0); claim[me] = cookie; seen = acked;
  seen_dead = dead; running[me] = s + 1
}

inline Heal(server) {
  faults = 0; late[0] = 0; late[1] = 0; ill[0] = false; ill[1] = false; ill[2] = false; ill[3] = false;
  healing = true; requests = 1;
  Come(server, false);
  claim[me] = 0; own_actor = 5
}

inline Read() {
  if
  :: state[0] == OPEN || state[1] == OPEN
  :: else -> Reconcile(); Serve()
  fi
}

inline StartReading() {
  phase = READS; state[0] = (WORKS(0) -> OPEN : FAILED); state[1] = (WORKS(1) -> OPEN : FAILED);
#ifdef READ_ONE
  state[1] = FAILED;
#endif
  Read()
}

proctype Tab(byte me; byte first; byte requests) {
  byte phase;
  byte s;           // the server
  byte own_actor;   // NewActor() of this request
  bool destroys;
  byte seen;        // what was acknowledged when it was sent
  byte seen_dead;   // and destroyed
  byte doomed;      // what was acknowledged when its destruction began
  byte floor;       // `told` when its write began
  byte sent_epoch;  // in the response's cookie
  bool calm, healing;
  int head, vec, print;  // what is loaded; then the record that is written
  byte actor, acks;
  bool pending, grace, must_write;
  byte token[2];
  byte born[2];
  byte state[2];
  int got[2];  // answers
  int got_vec[2];
  byte tries;
  bool spent;      // no time for another flight
  bool contested;  // the last flight has met others
  bool gone;       // destroyed by others
  bool lost;       // taken over by others
  bool again;  // a tombstone that is told again
  byte a, b;
  bool both, more;
  int h, v;
  byte beside;

end:
  do
  :: d_step { phase == IDLE && requests != 0 -> Come(0, true) }
  :: d_step { phase == IDLE && requests != 0 -> Come(1, true) }
  :: d_step { phase == IDLE && requests != 0 -> Come(0, false) }
  :: d_step { phase == IDLE && requests != 0 -> Come(1, false) }
#ifdef DESTROYS
  :: d_step { phase == IDLE && requests != 0 && !destroyed -> Come(0, false); destroys = true }
  :: d_step { phase == IDLE && requests != 0 && !destroyed -> Come(1, false); destroys = true }
#endif
  :: d_step { phase == IDLE && me == 0 && ended == 2 && !healed -> Heal(0) }
  :: d_step { phase == IDLE && me == 0 && ended == 2 && !healed -> Heal(1) }

  :: d_step { phase == COMES && !locked[s] && TRUSTED -> LoadEntry(); Serve() }
  :: d_step { phase == COMES && !locked[s] -> LoadEntry(); StartReading() }
  :: d_step { phase == COMES && (ill[s * 2] || ill[s * 2 + 1]) -> ill[s * 2] = false; ill[s * 2 + 1] = false }

  :: d_step { phase == READS && state[0] == OPEN -> Answer(0); Read() }
  :: d_step { phase == READS && state[1] == OPEN -> Answer(1); Read() }
  :: d_step { phase == READS && state[0] == OPEN && faults != 0 -> NoAnswer(0); Read() }
  :: d_step { phase == READS && state[1] == OPEN && faults != 0 -> NoAnswer(1); Read() }

#ifdef APART
  :: d_step { phase == WRITES && state[0] == SENT -> Store(0, head, vec, token[0], born[0]); state[0] = TAKEN }
  :: d_step { phase == WRITES && state[1] == SENT -> Store(1, head, vec, token[1], born[1]); state[1] = TAKEN }
  :: d_step { phase == WRITES && state[0] == TAKEN -> Answer(0); Proceed() }
  :: d_step { phase == WRITES && state[1] == TAKEN -> Answer(1); Proceed() }
#else
  :: d_step { phase == WRITES && state[0] == SENT -> Store(0, head, vec, token[0], born[0]); Answer(0); Proceed() }
  :: d_step { phase == WRITES && state[1] == SENT -> Store(1, head, vec, token[1], born[1]); Answer(1); Proceed() }
#endif
  :: d_step { phase == WRITES && IN_FLIGHT(0) && faults != 0 -> NoAnswer(0); Proceed() }
  :: d_step { phase == WRITES && IN_FLIGHT(1) && faults != 0 -> NoAnswer(1); Proceed() }
  :: d_step { phase == WRITES && IN_FLIGHT(0) && faults != 0 -> NoAnswer(0); spent = true; Proceed() }
  :: d_step { phase == WRITES && IN_FLIGHT(1) && faults != 0 -> NoAnswer(1); spent = true; Proceed() }
  :: d_step {
      phase == WRITES && faults != 0 ->
      faults--;
      LeaveBehind(0);
      LeaveBehind(1);
      EraseEntry();
      instance[s] = 2; undecided = (destroys -> 63 : undecided);
      Leave()
    }
  od
}

// Late writes arrive, or never do. A node comes back empty or with old items.
active proctype Network() {
end:
  do
  :: d_step { late[0] != 0 -> Arrive(0) }
  :: d_step { late[1] != 0 -> Arrive(1) }
  :: d_step { faults != 0 -> Restart(0, 0, 0) }
  :: d_step { faults != 0 -> Restart(1, 0, 0) }
  :: d_step { faults != 0 -> Restart(0, FIRST_ITEM, FIRST_VEC) }
  :: d_step { faults != 0 -> Restart(1, FIRST_ITEM, FIRST_VEC) }
  :: timeout -> assert(healed);  // nobody waits for ever
    break
  od
}

init {
  d_step {
    // Server 0 has made the session and told both nodes; with ENDED_FIRST, its end.
    item[0] = FIRST_ITEM; item[1] = FIRST_ITEM; item_vec[0] = FIRST_VEC; item_vec[1] = FIRST_VEC; cas[0] = 1;
    cas[1] = 1; instance[1] = 1; entry[0].head = FIRST_ITEM; entry[0].vec = FIRST_VEC;
    entry[0].print = FIRST_ITEM; entry[0].acks = 2; entry[0].token[0] = 1; entry[0].token[1] = 1; cookie = 2;
    told = 1; acked = KEYS(FIRST_ITEM)
  };
  atomic {
    run Tab(0, 1, REQUESTS_0);
    run Tab(1, 3, REQUESTS_1)
  }
}

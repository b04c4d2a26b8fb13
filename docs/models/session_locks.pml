// A model of the session locks (src/local/lock_queues.cc, shared_session_locks.cc) for the model checker spin.
// scripts/check_models runs it: every order of the steps of three workers, two of which may be killed between any two.
//
// What must hold, in every order:
// - two live workers never have the session at once, and nobody gets it while somebody who came earlier still waits
//   (assertions in Enter);
// - nobody waits for ever: every run ends with all live workers through (no invalid end states);
// - the holder is always the first of its queue, and what a repair finds is never more than a step that was not
//   finished (assertions in Repair, ReadBefore and the wait);
// - in the end every node that is in use is in the queue, once (Inspector).
//
// What it abstracts:
// - One session. Sessions of other keys share nothing but their partition's mutex and the pool of nodes.
// - A mutex is its owner: to lock it, is to wait until there is none. That the kernel wakes whoever waits is taken for
//   granted. The kernel frees the mutexes of a dead worker one by one, in any order, at any time later: Kernel.
// - A death is looked at where it makes a difference: before each write that others can see, with a mutex held.
// - A mutex that is only tried may be found locked though it is free: another worker may just look at its node.
// - A deadline is a worker that may stop waiting at any time; a worker without one shows whether somebody would wait
//   for ever.
// - Writes that belong together (d_step) are those where a death between them leaves to others what a death before or
//   after them does. What a free node says is zero, as nobody reads it. Tickets are only an order.
//
// Each of these errors, built in by -D, must be found:
// mutants: NO_REPAIR, REPAIR_UNORDERED, INHERIT_LATE, WAITER_SKIPS, GIVE_UP_FREES, RELEASE_KEEPS, COLLECT_LIVING
//
// For scripts/check_models:
// compile: -DSAFETY -DCOLLAPSE -DNOREDUCE
// run: -m200000

// Two holders, a wrong neighbour or a wait for ever shall be found as such, not by what they leave.
#if defined(WAITER_SKIPS) || defined(GIVE_UP_FREES) || defined(RELEASE_KEEPS) || defined(COLLECT_LIVING)
#define NOT_INSPECTED
#endif

#define WORKERS 3
#define NODES 3
#ifndef DEATHS
#define DEATHS 2
#endif

#define FREE 0
#define WAITING 1
#define HOLDING 2
#define RELEASED 3

// The shared memory. Nodes and workers are numbered from 1; 0 is none.
byte state[NODES + 1];
byte before[NODES + 1];
byte ticket[NODES + 1];
byte node_owner[NODES + 1];
byte last;
byte partition_owner;
bool partition_died;

// What the assertions look at.
bool killed[WORKERS + 2];  // never the inspector, who is the last number
bool inside[WORKERS + 1];
byte wants[WORKERS + 1];  // the ticket of who waits
byte deaths;
byte ended;  // workers

#define IN_USE(node) (state[node] != FREE)
#define OUTRUN(worker, n) (wants[worker] != 0 && wants[worker] < ticket[n])

// For d_step.
inline SetFree(node) {
  state[node] = FREE;
  before[node] = 0;
  ticket[node] = 0
}

// The state's write and what must hold then.
inline Enter(n) {
  d_step {
    state[n] = HOLDING;
    assert(!inside[1] && !inside[2] && !inside[3]);
    assert(!OUTRUN(1, n) && !OUTRUN(2, n) && !OUTRUN(3, n));
    inside[me] = true;
    wants[me] = 0
  }
}

// Dies instead.
#define OR_DIE :: deaths < DEATHS -> goto dead

// A write that others can see.
#define WRITE(what) \
  if \
  :: d_step { what } \
  OR_DIE \
  fi

// REQUIRES: the partition's mutex, and `last` to be 0. Builds the queue from the nodes in use, in their tickets' order.
inline Repair() {
  if
  :: d_step {
      prior = 0;
      do
      :: true ->
        // The node in use that came next after `prior`.
        lowest = 0;
        at = 1;
        do
        :: at <= NODES ->
          if
#ifdef REPAIR_UNORDERED
          :: IN_USE(at) && at > prior && lowest == 0 -> lowest = at
#else
          :: IN_USE(at) && (prior == 0 || ticket[at] > ticket[prior]) &&
               (lowest == 0 || ticket[at] < ticket[lowest]) -> lowest = at
#endif
          :: else
          fi;
          at++
        :: else -> break
        od;
        if
        :: lowest == 0 -> break
        :: else
        fi;
        before[lowest] = prior;
        last = lowest;
#ifdef INHERIT_LATE
        // As it was once: those before the holder were left from half a step, and freed if they could be locked.
        if
        :: state[lowest] == HOLDING ->
          before[lowest] = 0;
          do
          :: prior != 0 ->
            at = before[prior];
            if
            :: node_owner[prior] == 0 -> SetFree(prior)
            :: else
            fi;
            prior = at
          :: else -> break
          od
        :: else
        fi;
#else
        assert(state[lowest] != HOLDING || before[lowest] == 0);
#endif
        prior = lowest
      od;
      prior = 0;
      lowest = 0;
      at = 0;
      partition_died = false
    }
  OR_DIE
  fi
}

inline LockPartition() {
  if
  :: d_step { partition_owner == 0 && !partition_died -> partition_owner = me }
#ifdef NO_REPAIR
  :: d_step { partition_owner == 0 && partition_died -> partition_owner = me; partition_died = false }
#else
  :: d_step { partition_owner == 0 && partition_died -> partition_owner = me; last = 0 };
    Repair()
#endif
  OR_DIE
  fi
}

// For d_step: the node becomes the next in the order of arrival.
inline TakeTicket() {
  at = 0;
  if
  :: IN_USE(1) && ticket[1] > at -> at = ticket[1]
  :: else
  fi;
  if
  :: IN_USE(2) && ticket[2] > at -> at = ticket[2]
  :: else
  fi;
  if
  :: IN_USE(3) && ticket[3] > at -> at = ticket[3]
  :: else
  fi;
  ticket[n] = at + 1;
  at = 0
}

// For d_step: never a wrong one. The code would repair the queue.
inline ReadBefore() {
  b = before[n];
  assert(b == 0 || (IN_USE(b) && ticket[b] < ticket[n]))
}

// REQUIRES: `b`'s mutex, and the partition's. Afterwards `b` is who is before now.
inline Inherit() {
  if
#ifdef WAITER_SKIPS
  :: false ->
#else
  :: state[b] == WAITING ->
#endif
    WRITE(before[n] = before[b]);
    WRITE(SetFree(b));
    WRITE(node_owner[b] = 0; ReadBefore());
    // Where it was the first: it died after it had freed the holder's node, and before it was the holder.
    if
    :: b == 0 -> WRITE(Enter(n))
    :: b != 0
    fi
  :: else ->
#ifdef INHERIT_LATE
    WRITE(Enter(n));
    WRITE(before[n] = 0);
    WRITE(SetFree(b))
#else
    WRITE(SetFree(b));
    WRITE(Enter(n));
    WRITE(before[n] = 0)
#endif
    WRITE(node_owner[b] = 0; b = 0)
  fi
}

// REQUIRES: the partition's mutex. Takes out the last ones of the queue whose owners are gone.
inline CollectDead() {
  do
#ifdef COLLECT_LIVING
  :: d_step { last != 0 -> b = last };
#else
  :: d_step { last != 0 && node_owner[last] == 0 -> b = last; node_owner[b] = me };
#endif
    if
    :: state[b] == WAITING -> WRITE(last = before[b])
    :: else -> WRITE(last = 0)
    fi;
    WRITE(SetFree(b); node_owner[b] = 0; b = 0)
  :: break
  od
}

#define CAN_TAKE(node) (state[node] == FREE && node_owner[node] == 0)

proctype Worker(byte me; byte rounds) {
  byte n;       // its node
  byte b;       // the one before
  byte at, lowest, prior;
  bool patient;
  bool collected;

take:
  // TakeNode. Which one does not matter: nodes are alike.
  if
  :: d_step { rounds != 0 && CAN_TAKE(1) -> n = 1; node_owner[1] = me }
  :: d_step { rounds != 0 && !CAN_TAKE(1) && CAN_TAKE(2) -> n = 2; node_owner[2] = me }
  :: d_step { rounds != 0 && !CAN_TAKE(1) && !CAN_TAKE(2) && CAN_TAKE(3) -> n = 3; node_owner[3] = me }
  :: d_step { rounds != 0 && !CAN_TAKE(1) && !CAN_TAKE(2) && !CAN_TAKE(3) && !collected -> collected = true };
    LockPartition();
    WRITE(last = 0);
    Repair();
    CollectDead();
    WRITE(partition_owner = 0);
    goto take
  :: rounds != 0 && !CAN_TAKE(1) && !CAN_TAKE(2) && !CAN_TAKE(3) && collected -> goto again  // kNoMemory
  :: rounds == 0 -> goto end
  fi;

  // Enqueue.
  LockPartition();
  if
  :: d_step { last == 0 -> TakeTicket(); Enter(n) }
  :: d_step {
      last != 0 ->
      assert(IN_USE(last));
      b = last;
      TakeTicket();
      before[n] = b;
      state[n] = WAITING;
      wants[me] = ticket[n]
    }
  OR_DIE
  fi;
  WRITE(last = n);
  WRITE(partition_owner = 0);

  // Wait.
  if
  :: b == 0 -> goto hold
  :: b != 0 -> patient = true
  :: b != 0 -> patient = false
  fi;
  do
  :: d_step { node_owner[b] == 0 -> node_owner[b] = me };
    LockPartition();
    assert(before[n] == b);
    Inherit();
    WRITE(partition_owner = 0);
    if
    :: b == 0 -> goto hold
    :: b != 0
    fi
  :: !patient -> break
  OR_DIE
  od;

  // GiveUp.
  LockPartition();
  do
  :: d_step { node_owner[b] == 0 -> node_owner[b] = me };
    Inherit();
    if
    :: b == 0 ->
      WRITE(partition_owner = 0);
      goto hold
    :: b != 0
    fi
  :: d_step { wants[me] = 0 } break
  od;
  if
  :: last == n ->
    WRITE(last = b);
    WRITE(SetFree(n); node_owner[n] = 0);
    WRITE(partition_owner = 0)
  :: last != n ->
#ifdef GIVE_UP_FREES
    WRITE(SetFree(n));
#endif
    WRITE(partition_owner = 0);
    WRITE(node_owner[n] = 0)
  fi;
  goto again;

hold:
  // Release.
  WRITE(inside[me] = false);
  LockPartition();
  if
  :: last == n ->
    WRITE(last = 0);
    WRITE(SetFree(n); node_owner[n] = 0);
    WRITE(partition_owner = 0)
  :: last != n ->
    WRITE(state[n] = RELEASED);
    WRITE(partition_owner = 0);
#ifndef RELEASE_KEEPS
    WRITE(node_owner[n] = 0)
#endif
  fi;

again:
  atomic { rounds--; n = 0; b = 0; patient = false; collected = false };
  goto take;

dead:
  // The dead are all alike.
  atomic {
    killed[me] = true; deaths++; ended++; inside[me] = false; wants[me] = 0;
    n = 0; b = 0; rounds = 0; patient = false; collected = false
  };
  goto end_dead;
end:
  ended++;
end_dead:
  false
}

// Frees what the dead had.
active proctype Kernel() {
end:
  do
  :: d_step { killed[node_owner[1]] -> node_owner[1] = 0 }
  :: d_step { killed[node_owner[2]] -> node_owner[2] = 0 }
  :: d_step { killed[node_owner[3]] -> node_owner[3] = 0 }
  :: d_step { killed[partition_owner] -> partition_owner = 0; partition_died = true }
  od
}

// When all is over, looks at what is left.
proctype Inspector() {
  byte me = WORKERS + 1;
  byte at, lowest, prior, seen;
#ifdef NOT_INSPECTED
  goto dead;
#endif
  ended == WORKERS && !killed[node_owner[1]] && !killed[node_owner[2]] && !killed[node_owner[3]] &&
    !killed[partition_owner];
  deaths = DEATHS;  // none from here on
  LockPartition();
  d_step {
    at = last;
    do
    :: at != 0 ->
      seen++;
      assert(seen <= NODES && IN_USE(at) && node_owner[at] == 0);
      at = before[at]
    :: else -> break
    od;
    assert(seen == IN_USE(1) + IN_USE(2) + IN_USE(3))
  };
dead:
  skip
}

init {
  atomic {
    run Worker(1, 2);
    run Worker(2, 1);
    run Worker(3, 1);
    run Inspector()
  }
}

// What requests are shown and told: G2, G4, G5.
#include <algorithm>

#include "tests/simulation/judge.h"

namespace clustered_session {
namespace {

using std::chrono::seconds;

std::string Join(const std::set<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys) text += (text.empty() ? "" : " ") + key;
  return "{" + text + "}";
}

}  // namespace

// A little early: what is shorter than a second is not written for.
bool Judge::Expired(const Serving& serving, int server) const {
  return world_.NowOf(server) >= serving.used + seconds(Request::kLifetime - 2);
}

void Judge::Started(Visit* visit, const Result<std::string>& read) {
  visit->number = ++events_;
  visit->looked_at = world_.now();
  Facts& facts = FactsOf(visit->session);
  if (!read.ok()) {
    Say("  fails: " + read.error().message());
    JudgeFailedStart(*visit, read.error().message());
    CheckCopies("a failed start", false);
    return;
  }
  visit->payload = *read;
  for (std::string& key : KeysIn(*read)) visit->shown.insert(std::move(key));
  // Within the bounds of G2 a copy of the life before may be shown; what is written of it never comes back.
  visit->life = visit->shown.empty() ? facts.life : facts.keys[*visit->shown.begin()].life;
  Say("  reads " + Join(visit->shown) + (visit->asked ? "" : ", asks nobody") +
      (visit->life < facts.life ? ", of the life before" : ""));

  Serving& serving = facts.serving[visit->process];
  if (Expired(serving, visit->server)) {
    serving.local = false;
    for (auto& [name, key] : facts.keys) {
      if (key.local_to == visit->process && !key.stored) key.excused = true;
    }
  }
  if (!visit->asked && !visit->created) JudgeUnasked(*visit, facts, serving);
  JudgeContent(*visit, &facts);
  JudgeLoss(*visit, facts);
  JudgeEnded(*visit, facts);
  JudgeLocal(*visit, facts);
  // Who could ask and does not takes nothing over: the cookie of an earlier takeover may be back after a request beside
  // it.
  visit->takes_over = (visit->asked || !visit->may_ask) && !visit->created && !visit->shown.empty() &&
                      serving.cookies.count(visit->cookie_after) == 0 && !serving.begins;
  serving.cookies.insert(visit->cookie_after);
  if (visit->shown.empty()) serving.taken_over.reset();
  if (visit->takes_over) {
    serving.taken_over = serving.met.value_or(visit->began);
    serving.taken_over_life = visit->life;
  }
  serving.begins = false;
  serving.met.reset();
  if (visit->takes_over) Say("  takes it over");
  const bool answered = NoteAnswers(visit->server, visit->session);
  facts.last_event[visit->process] = visit->number;
  if (visit->created) serving.answered = world_.NowOf(visit->server);  // nobody else can know it
  visit->blind = !answered && !visit->created;
  if (!visit->blind) serving.last_look = visit->number;
  // A read makes an entry where there is none, and prolongs none: a request may end as read_and_close.
  if (visit->asked && Expired(serving, visit->server)) serving.used = visit->began;
  CheckCopies("a start", false);
}

// G5: a session that is here goes on whatever the nodes do; and one on nodes that all work can be read.
void Judge::JudgeFailedStart(const Visit& visit, const std::string& error) {
  const Serving& serving = FactsOf(visit.session).serving[visit.process];
  if (serving.local && !Expired(serving, visit.server)) {
    Violated("G5: a session that is local to " + world_.NameOf(visit.server) + " cannot be started: " + error);
  }
  if (world_.WholeForLong()) Violated("nothing is broken, and a session cannot be started: " + error);
}

// G2: without asking only for a client that shows a cookie of this process, only for local_trust after a node has
// answered, and not within the takeover grace.
void Judge::JudgeUnasked(const Visit& visit, const Facts& facts, const Serving& serving) {
  if (!visit.may_ask) return;  // an outage of every node: G5
  const std::string name = world_.NameOf(visit.server);
  const SessionSettings& settings = plan_.settings;
  // An empty session is anybody's to begin; its copy is told apart by the server's name alone.
  const std::string own_name = world_.web(visit.server).context().settings.server_id;
  const bool its_client =
      visit.shown.empty() ? visit.cookie.starts_with(own_name + ".") : serving.cookies.count(visit.cookie) > 0;
  // Two servers of one name that take a session over at once, or back, have the same epoch, and so the same cookie.
  const bool told_apart = !plan_.same_server_id || (calm_ && facts.life == 0);
  if (told_apart && settings.affinity == AffinityMode::kCookie && !its_client) {
    Violated("G2: " + name + " shows its copy unasked to a client with another server's cookie");
  }
  if (visit.shown.empty()) return;
  if (!serving.answered || visit.began - *serving.answered >= settings.local_trust) {
    Violated("G2: " + name + " shows its copy unasked although no node has answered within local_trust");
  }
  if (serving.taken_over && serving.taken_over_life == visit.life &&
      visit.began - *serving.taken_over < settings.takeover_grace) {
    Violated("G2: " + name + " shows its copy unasked within the takeover grace");
  }
}

// G2: while nothing is broken, a read that asks shows all that was acknowledged, one that does not all but what is
// younger than local_trust, or than what news allow. What was removed stays away just so.
void Judge::JudgeContent(const Visit& visit, Facts* facts) {
  if (!world_.WholeForLong() || !plan_.merges()) return;
  // A client may look at a session for so long, without using it, that it is over meanwhile.
  const bool over = std::all_of(facts->serving.begin(), facts->serving.end(), [this](const auto& each) {
    const int server = ServerOf(each.first);
    return server < 0 || Expired(each.second, server);
  });
  if (over) {
    for (auto& [name, key] : facts->keys) key.excused |= key.life == facts->life && visit.shown.count(name) == 0;
    return;
  }
  // No news tell of a session's first write, which only with write=behind may come after others know its ID.
  const Duration news_max = world_.StaleMax(visit.server);
  const Duration stale_max = plan_.behind() ? std::max(news_max, plan_.settings.local_trust) : news_max;
  const auto due = [&](TimePoint since) {
    return world_.WholeSince(since - seconds(3)) && (visit.asked || world_.now() - since >= stale_max);
  };
  for (const auto& [name, key] : facts->keys) {
    const bool shown = visit.shown.count(name) > 0;
    if (key.acknowledged() && key.life == facts->life && !shown && due(key.acknowledged_at)) {
      Violated("G2: " + world_.NameOf(visit.server) + " does not show " + name + ", which was acknowledged before");
    }
    if (key.removed && shown && calm_ && due(key.removed_at)) {
      Violated("G3: " + world_.NameOf(visit.server) + " shows " + name + ", which was removed before");
    }
  }
}

// G2: where a node that should hold the session has nothing, a read that asks has looked at all nodes, whatever was
// broken when they were written to.
void Judge::JudgeLoss(const Visit& visit, const Facts& facts) {
  if (!visit.asked || visit.shown.empty() || !world_.WholeForLong() || !plan_.merges()) return;
  const std::vector<int> placed = world_.Placed(visit.session);
  if (std::all_of(placed.begin(), placed.begin() + plan_.copies(),
                  [&](int node) { return world_.RecordOn(node, facts.storage_key).has_value(); })) {
    return;
  }
  for (const auto& [name, key] : facts.keys) {
    if (!key.acknowledged() || key.life < facts.life || key.holders == 0 || visit.shown.count(name) > 0) continue;
    Violated("G2: " + world_.NameOf(visit.server) + " has met a node that lost the session, and does not show " + name +
             ", which another one has");
  }
}

// G4, while nothing is broken; what is shown at the end is judged in any case.
void Judge::JudgeEnded(const Visit& visit, const Facts& facts) {
  for (const std::string& name : visit.shown) {
    const Key& key = facts.keys.at(name);
    const auto ended = facts.ended.find(key.life);
    if (ended == facts.ended.end() || key.undecided || !world_.WholeSince(ended->second - seconds(3))) continue;
    if (visit.asked || world_.now() - ended->second >= world_.StaleMax(visit.server)) {
      Violated("G4: " + world_.NameOf(visit.server) + " shows " + name + " of a destroyed session");
    }
  }
}

// G5: a server shows what it alone has.
void Judge::JudgeLocal(const Visit& visit, const Facts& facts) {
  for (const auto& [name, key] : facts.keys) {
    if (!key.told || key.stored || key.excused || key.local_to != visit.process || key.life < facts.life) continue;
    if (plan_.merges() && visit.shown.count(name) == 0 && !Expired(facts.serving.at(visit.process), visit.server)) {
      Violated("G5: " + world_.NameOf(visit.server) + " does not show " + name + ", which only it has");
    }
  }
}

void Judge::Attempts(Visit* visit, const Change& change) {
  Facts& facts = FactsOf(visit->session);
  if (!change.removes.empty()) facts.keys[change.removes].excused = true;
  // Who has read an empty session begins one, in whatever life it is by now; if one has ended since, this request may
  // count as one of that.
  visit->ended = world_.NowOf(visit->server);
  const bool ended_since = visit->shown.empty() && visit->life != facts.life;
  if (ended_since) visit->life = facts.life;
  if (change.adds.empty()) return;
  Key& key = facts.keys[change.adds];
  key.life = visit->life;
  key.conflicts = world_.Conflicts();
  const bool of_undecided = std::any_of(visit->shown.begin(), visit->shown.end(),
                                        [&](const std::string& name) { return facts.keys[name].undecided; });
  // An empty session may be one of before an end that its server has not heard of: of no node that it has reached.
  const std::optional<Ancestry> local = world_.LocalTo(visit->server, visit->session);
  const bool knows_end = local && !local->ended.empty() && !visit->blind;
  const bool unseen_end = visit->shown.empty() && facts.life > 0 && !knows_end;
  key.undecided = key.excused = ended_since || unseen_end || of_undecided || JoinsEnded(*visit, facts) ||
                                visit->life == facts.undecided_life || facts.ends_forgotten;
}

void Judge::Finished(const Visit& visit, const Change& change, const Status& status) {
  Facts& facts = FactsOf(visit.session);
  Serving& serving = facts.serving[visit.process];
  facts.last_event[visit.process] = ++events_;
  const bool changes = !change.adds.empty() || !change.removes.empty();
  if (!status.ok()) Violated("G5: a request's changes are not kept: " + status.error().message());
  // Somebody who came in between may have taken it over: then it need not be here any more.
  const bool alone = std::none_of(facts.last_event.begin(), facts.last_event.end(), [&](const auto& other) {
    return other.first != visit.process && other.second > serving.last_look;
  });
  const bool lives = visit.life == facts.life && visit.life != facts.undecided_life;
  const bool met_others = world_.web(visit.server).counters().conflicts.Get() > visit.conflicts;
  const bool stays = !visit.shown.empty() && serving.evicted < visit.number;
  serving.local = alone && lives && !met_others && (changes || stays);
  if (change.is_use) serving.used = world_.NowOf(visit.server);
  if (changes && visit.shown.empty()) serving.begins = true;
  if (!serving.met && met_others) serving.met = visit.ended;
  Observe();
  const bool answered = NoteAnswers(visit.server, visit.session);
  if (!change.adds.empty()) {
    Key& key = facts.keys[change.adds];
    key.told = true;
    if (!lives) key.excused = true;
    if (!key.stored) key.local_to = visit.process;
    if (key.stored && key.acknowledged()) ++acknowledged_;
  }
  if (!change.removes.empty() && lives && calm_ && plan_.merges() && !plan_.behind()) {
    facts.keys[change.removes].removed = true;
    facts.keys[change.removes].removed_at = world_.now();
  }
  if (changes && answered) JudgeLateWrite(visit, facts);
  if (visit.takes_over) {
    facts.last_takeover_began = visit.number;
    facts.taken_over_by = visit.process;
  }
  // With write=behind the nodes hear of it later, or never.
  if (world_.WholeForLong() && lives && change.is_use && !visit.shown.empty() && !plan_.behind())
    facts.used = world_.now();
  CheckCopies("the end of a request", false);
  if (lives) JudgeKept(visit, change, facts);
}

// G3: a request that has changed the session while another server took it over has met that server's record, unless
// one of them still leaves a node alone that is back.
void Judge::JudgeLateWrite(const Visit& visit, const Facts& facts) {
  const bool overtaken = facts.last_takeover_began > visit.number && facts.taken_over_by != visit.process;
  if (!overtaken || plan_.behind() || visit.shown.empty() || !world_.WholeSince(visit.looked_at - seconds(3))) return;
  if (world_.web(visit.server).counters().conflicts.Get() == visit.conflicts) {
    Violated("G3: a request has written over another server's takeover and counted no conflict");
  }
}

// G1: what a request has used stays for a lifetime; and one that has looked at the nodes leaves it on as many as should
// have it.
void Judge::JudgeKept(const Visit& visit, const Change& change, const Facts& facts) {
  if (plan_.behind() || !world_.WholeForLong()) return;
  // Without merging, a branch that it met may have won as a whole.
  if (!plan_.merges() && world_.web(visit.server).counters().conflicts.Get() > visit.conflicts) return;
  const bool looked = visit.asked && world_.WholeSince(visit.looked_at - seconds(3));
  for (const auto& [name, key] : facts.keys) {
    if (!key.acknowledged() || key.life < facts.life || key.holders == 0 || visit.shown.count(name) == 0) continue;
    if (looked && key.holders < plan_.copies()) {
      Violated("G1: a request leaves " + name + " on " + std::to_string(key.holders) + " nodes in place of " +
               std::to_string(plan_.copies()));
    }
    if (change.is_use && key.held_until < world_.now() + seconds(Request::kLifetime - 2)) {
      Violated("G1: the nodes forget " + name + " before its session's lifetime is over");
    }
  }
}

int64_t Judge::TombstonesOn(const std::string& session) {
  const std::vector<int> placed = world_.Placed(session);
  return std::count_if(placed.begin(), placed.end(), [&](int node) {
    const std::optional<Record> record = world_.RecordOn(node, FactsOf(session).storage_key);
    return record && record->tombstone();
  });
}

// G4 holds as long as one node knows of the end. So all must be told.
void Judge::JudgeTombstones(const std::string& session) {
  const int64_t placed = std::ssize(world_.Placed(session));
  const int64_t tombstones = TombstonesOn(session);
  if (!world_.WholeForLong() || tombstones == placed) return;
  Violated("G4: " + std::to_string(tombstones) + " of " + std::to_string(placed) + " nodes know of a destruction");
}

// What the nodes know to have ended.
Ancestry Judge::EndOf(const std::string& session) {
  Ancestry end;
  for (const int node : world_.Placed(session)) {
    const std::optional<Record> record = world_.RecordOn(node, FactsOf(session).storage_key);
    if (record && record->tombstone()) end.ended.Absorb(record->ancestry.ended);
  }
  return end;
}

// Who destroys a life before this one ends this one as well, unless it names all that ends: then it was begun since.
void Judge::ExcuseBegunBeside(const std::string& session, Facts* facts) {
  const Ancestry end = EndOf(session);
  for (auto& [name, key] : facts->keys) {
    const int server = ServerOf(key.local_to);
    if (key.life != facts->life || server < 0) continue;
    const std::optional<Ancestry> local = world_.LocalTo(server, session);
    if (!local || !end.ended.Meets(local->lives)) continue;
    LifeSet named = local->lives;
    (void)named.Absorb(local->ended);
    if (!named.Includes(end.ended)) key.undecided = key.excused = true;
  }
}

// Whether a session that is begun here is joined to what this server still shows of one that is over, and ends with
// that.
bool Judge::JoinsEnded(const Visit& visit, const Facts& facts) {
  const std::optional<World::Copy> copy = world_.CopyOn(visit.server, visit.session);
  if (!copy || !visit.shown.empty()) return false;
  return std::any_of(copy->keys.begin(), copy->keys.end(), [&](const std::string& name) {
    const auto found = facts.keys.find(name);
    return found != facts.keys.end() && found->second.life < facts.life;
  });
}

// A session that was begun under the same ID where nobody else could see it, here or on a node that was out of reach,
// does not end with one that others know.
void Judge::ExcuseUnseen(const std::string& session, Facts* facts) {
  const Ancestry end = EndOf(session);
  for (int server = 0; server < world_.servers(); ++server) {
    const std::optional<World::Copy> copy = world_.CopyOn(server, session);
    if (!copy || copy->tombstone || end.ended.Meets(copy->ancestry.lives)) continue;
    for (const std::string& name : copy->keys) {
      const auto found = facts->keys.find(name);
      if (found == facts->keys.end() || found->second.life != facts->life || found->second.holders > 0) continue;
      found->second.undecided = found->second.excused = true;
    }
  }
  for (const int node : world_.Placed(session)) {
    const std::optional<Record> record = world_.RecordOn(node, facts->storage_key);
    if (!record || record->tombstone() || end.ended.Meets(record->ancestry.lives)) continue;
    for (auto& [name, key] : facts->keys) {
      if (record->payload.find(name + "|") != std::string_view::npos) key.undecided = key.excused = true;
    }
  }
}

// Whether the nodes have a session that was begun after all they know to have ended, and of which this visit has seen
// nothing: it began one beside it, in ignorance, under a name that was over.
bool Judge::BegunSince(const Visit& visit, const Facts& facts) {
  const bool seen = std::any_of(visit.shown.begin(), visit.shown.end(),
                                [&](const std::string& name) { return facts.keys.at(name).stored; });
  const LifeSet ended = EndOf(visit.session).ended;
  if (seen || visit.shown.empty() || ended.empty()) return false;
  const std::vector<int> placed = world_.Placed(visit.session);
  return std::any_of(placed.begin(), placed.end(), [&](int node) {
    const std::optional<Record> record = world_.RecordOn(node, facts.storage_key);
    return record && !record->tombstone() && record->ancestry.ended.Includes(ended);
  });
}

void Judge::Destroyed(const Visit& visit) {
  Facts& facts = FactsOf(visit.session);
  const bool told = Observe();
  if (BegunSince(visit, facts)) {
    for (const std::string& name : visit.shown) facts.keys.at(name).excused = facts.keys.at(name).undecided = true;
    NoteAnswers(visit.server, visit.session);
    return CheckCopies("a destruction", true);
  }
  // Who has read an empty session ends what is met, whatever life that is of.
  const bool unread = visit.shown.empty();
  const bool ends = !unread || TombstonesOn(visit.session) == std::ssize(world_.Placed(visit.session));
  const bool of_this_life = unread || visit.life == facts.life;
  NoteAnswers(visit.server, visit.session);
  facts.serving[visit.process].local = false;
  if (of_this_life && ends && told) {
    ++destroyed_;
    JudgeTombstones(visit.session);
    ExcuseUnseen(visit.session, &facts);
    facts.ended[facts.life] = world_.now();
    ++facts.life;
  } else if (of_this_life) {
    // No node was told: it holds where it was made, and comes to the nodes when that server reaches them, or never. Or
    // nothing was found to destroy, as those nodes were out of reach that had it: whatever had this ID may end.
    facts.undecided_life = facts.life;
    for (auto& [process, serving] : facts.serving) serving.taken_over.reset();
    for (auto& [name, key] : facts.keys) {
      if (key.life == facts.life) key.excused = key.undecided = true;
    }
  } else {
    ExcuseBegunBeside(visit.session, &facts);
  }
  CheckCopies("a destruction", true);
}

}  // namespace clustered_session

%% @private
%% @doc A lane that is being started, and who waits for that: the calls of `gosocket_lanes:start/2' that come meanwhile share it. A lane
%% that only a use starts has one, too, until its helper has said hello. For {@link gosocket_names}, which keeps it.
-module(gosocket_attempt).

-export([waiter/3,
         name/1,
         given/1,
         answer/2]).

-export([begun/4,
         used/2,
         ending/2,
         join/2,
         is_stopped/1,
         is_claim/1,
         enrolled/2,
         greeted/2,
         stop/1,
         ended/3]).

-export_type([waiter/0, attempt/0, claim/0]).

%% How often a lane is started for one call: one that is killed before it is there is started again.
-define(ATTEMPTS, 3).

-record(waiter,
        {from :: {pid(), term()},
         name :: gosocket_lanes:name(),
         given :: gosocket_lanes:settings(),
         attempts = ?ATTEMPTS :: pos_integer()}).

%% What the lane is started with has been claimed by the first of those who wait, or before that, or is the configuration's.
-type claim() :: new | held | none.

-record(attempt,
        {%% who asks the supervisor for the lane, and the lane itself once it has asked for its settings
         starter = none :: pid() | none,
         lane = none :: pid() | none,
         claim = none :: claim(),
         given = #{} :: gosocket_lanes:settings(),
         waiters = [] :: [waiter()],
         %% it is to end, and those who wait come after that
         stopped = false :: boolean()}).

-opaque waiter() :: #waiter{}.
-opaque attempt() :: #attempt{}.

%% ---- Who waits

-spec waiter(From :: {pid(), term()}, gosocket_lanes:name(), gosocket_lanes:settings()) -> waiter().
waiter(From, Name, Given) ->
    #waiter{from = From, name = Name, given = Given}.

-spec name(waiter()) -> gosocket_lanes:name().
name(#waiter{name = Name}) -> Name.

-spec given(waiter()) -> gosocket_lanes:settings().
given(#waiter{given = Given}) -> Given.

-spec answer(waiter(), {ok, pid()} | {error, term()}) -> ok.
answer(#waiter{from = From}, Answer) ->
    gen_server:reply(From, Answer).

%% ---- Attempts

-spec begun(Starter :: pid(), claim(), gosocket_lanes:settings(), waiter()) -> attempt().
begun(Starter, Claim, Given, Waiter) ->
    #attempt{starter = Starter, claim = Claim, given = Given, waiters = [Waiter]}.

%% @doc Of a lane that somebody uses.
-spec used(claim(), gosocket_lanes:settings()) -> attempt().
used(Claim, Given) ->
    #attempt{claim = Claim, given = Given}.

%% @doc A lane that has been told to end has to do that first.
-spec ending(Lane :: pid(), waiter()) -> attempt().
ending(Lane, Waiter) ->
    #attempt{lane = Lane, waiters = [Waiter], stopped = true}.

-spec join(waiter(), attempt()) -> attempt().
join(Waiter, #attempt{waiters = Waiters} = Attempt) ->
    Attempt#attempt{waiters = Waiters ++ [Waiter]}.

%% @doc Whether a lane that asks for its settings now has been stopped.
-spec is_stopped(attempt()) -> boolean().
is_stopped(#attempt{stopped = Stopped}) ->
    Stopped.

-spec is_claim(attempt()) -> boolean().
is_claim(#attempt{claim = Claim}) ->
    Claim =:= new.

%% @doc The lane has its settings.
-spec enrolled(Lane :: pid(), attempt()) -> attempt().
enrolled(Lane, Attempt) ->
    Attempt#attempt{lane = Lane}.

%% @doc Its helper has said hello: whether that is all.
-spec greeted(Lane :: pid(), attempt()) -> boolean().
greeted(Lane, #attempt{lane = Lane, stopped = false, claim = Claim, waiters = Waiters}) ->
    Others = case {Claim, Waiters} of
                 {new, [First | Rest]} ->
                     answer(First, {ok, Lane}),
                     Rest;
                 _ ->
                     Waiters
             end,
    lists:foreach(fun(Waiter) -> answer(Waiter, {error, {already_started, Lane}}) end, Others),
    true;
greeted(_Lane, _Attempt) ->
    false.

%% @doc Those who start it have their answer.
-spec stop(attempt()) -> attempt().
stop(#attempt{waiters = Waiters} = Attempt) ->
    lists:foreach(fun(Waiter) -> answer(Waiter, {error, closed}) end, Waiters),
    Attempt#attempt{waiters = [], stopped = true}.

%% @doc A process has ended. If that ends the attempt, those are returned who have not got their answer by that and try again: after a
%% lane that was stopped or that somebody has killed all of them, after settings that were not understood those who gave others.
-spec ended(pid(), Reason :: term(), attempt()) -> attempt() | {over, [waiter()]}.
ended(Starter, _Reason, #attempt{starter = Starter, lane = Lane} = Attempt) when is_pid(Lane) ->
    Attempt#attempt{starter = none};
ended(Pid, Reason, #attempt{starter = Starter, lane = Lane} = Attempt) when Pid =:= Starter; Pid =:= Lane ->
    {over, over(Reason, Attempt)};
ended(_Pid, _Reason, Attempt) ->
    Attempt.

-spec over(Reason :: term(), attempt()) -> [waiter()].
over(_Reason, #attempt{stopped = true, waiters = Waiters}) ->
    Waiters;
over({shutdown, {no_helper, Posix}}, #attempt{claim = Claim, given = Given, waiters = Waiters}) when Posix =/= no_lane ->
    IsOfGiven = gosocket_helper:errno(Posix) =:= einval andalso Claim =/= held,
    {Same, Others} = lists:partition(fun(#waiter{given = Own}) -> not IsOfGiven orelse Own =:= Given end, Waiters),
    lists:foreach(fun(Waiter) -> answer(Waiter, {error, Posix}) end, Same),
    Others;
over(_Reason, #attempt{waiters = Waiters}) ->
    {Last, Others} = lists:partition(fun(#waiter{attempts = Attempts}) -> Attempts =:= 1 end, Waiters),
    lists:foreach(fun(Waiter) -> answer(Waiter, {error, closed}) end, Last),
    [Waiter#waiter{attempts = Attempts - 1} || #waiter{attempts = Attempts} = Waiter <- Others].

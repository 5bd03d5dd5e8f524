%% @private
%% @doc Outlives the lanes: holds the table of armed selects of each. A process with an armed select
%% waits in code of its own and monitors nobody, so when a lane is gone, however it went, the guardian
%% sends it the abort. A lane that did not end in order leaves its helper to the guardian, too: one that is
%% stopped would never see that its input has ended.
-module(gosocket_guardian).

-behaviour(gen_server).

-export([start_link/0,
         enroll/0,
         enroll/2,
         await_gone/1]).

-export([init/1,
         handle_call/3,
         handle_cast/2,
         handle_info/2,
         terminate/2]).

-include("gosocket.hrl").

-record(lane,
        {number :: non_neg_integer() | none,
         pid :: pid(),
         os_pid :: pos_integer() | undefined,
         selects :: ets:table(),
         %% who want to know when its aborts are sent
         waiting = [] :: [{pid(), term()}]}).

-type state() :: #{Monitor :: reference() => #lane{}}.
-type request() :: {enroll, non_neg_integer() | none, pos_integer() | undefined} | {await_gone, pid()}.

-spec start_link() -> {ok, pid()} | {error, term()} | ignore.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc Called by a lane: a table for its selects, rows `{Ref, Pid, Slot, Socket}'.
-spec enroll(Number :: non_neg_integer(), OsPid :: pos_integer()) -> ets:table().
enroll(Number, OsPid) ->
    gen_server:call(?MODULE, {enroll, Number, OsPid}, infinity).

%% @doc Called by a process that is the lane of another node's sockets.
-spec enroll() -> ets:table().
enroll() ->
    gen_server:call(?MODULE, {enroll, none, undefined}, infinity).

%% @doc Called when the lane is gone: returns when its aborts are sent.
-spec await_gone(Lane :: pid()) -> ok.
await_gone(Lane) ->
    try
        gen_server:call(?MODULE, {await_gone, Lane}, infinity)
    catch
        exit:_ -> ok
    end.

-spec init([]) -> {ok, state()}.
init([]) ->
    %% so that terminate/2 runs
    process_flag(trap_exit, true),
    {ok, #{}}.

-spec handle_call(request(), {pid(), term()}, state()) -> {reply, ets:table() | ok, state()} | {noreply, state()}.
handle_call({enroll, Number, OsPid}, {Pid, _Tag}, Lanes) ->
    Selects = ets:new(gosocket_selects, [public]),
    Lane = #lane{number = Number, pid = Pid, os_pid = OsPid, selects = Selects},
    {reply, Selects, Lanes#{monitor(process, Pid) => Lane}};
handle_call({await_gone, Pid}, From, Lanes) ->
    case [Entry || {_, #lane{pid = P}} = Entry <- maps:to_list(Lanes), P =:= Pid] of
        [] -> {reply, ok, Lanes};
        [{Monitor, Lane}] -> {noreply, Lanes#{Monitor := Lane#lane{waiting = [From | Lane#lane.waiting]}}}
    end.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Request, Lanes) ->
    {noreply, Lanes}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({'DOWN', Monitor, process, _Pid, Reason}, Lanes) ->
    {Lane, Rest} = maps:take(Monitor, Lanes),
    gone(Lane),
    lists:foreach(fun(From) -> gen_server:reply(From, ok) end, Lane#lane.waiting),
    is_orderly(Reason) orelse gosocket_helper:kill(Lane#lane.os_pid),
    {noreply, Rest};
handle_info(_Other, Lanes) ->
    {noreply, Lanes}.

-spec is_orderly(Reason :: term()) -> boolean().
is_orderly(shutdown) -> true;
is_orderly({shutdown, _}) -> true;
is_orderly(_) -> false.

%% The lanes are stopped before their guardian.
-spec terminate(term(), state()) -> ok.
terminate(_Reason, Lanes) ->
    lists:foreach(fun gone/1, maps:values(Lanes)).

-spec gone(#lane{}) -> true.
gone(#lane{number = Number, pid = Pid, selects = Selects}) ->
    withdraw(?LANE(Number), Pid),
    ets:foldl(fun({Ref, Process, _Slot, Socket}, ok) ->
                      gosocket_nodes:send(Process, {'$socket', Socket, abort, {Ref, closed}})
              end, ok, Selects),
    ets:delete(Selects).

%% A new run of the lane may have put its own term there already.
-spec withdraw(?LANE(non_neg_integer() | none), pid()) -> boolean().
withdraw(Key, Pid) ->
    case persistent_term:get(Key, none) of
        #gosocket_lane{pid = Pid} -> persistent_term:erase(Key);
        _ -> false
    end.

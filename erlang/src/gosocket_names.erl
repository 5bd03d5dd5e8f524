%% @private
%% @doc The lanes by their names: which one is meant by a name or by a socket, and what each was started with. Numbers, which handles
%% have, are given here. A table tells who asks; what changes goes through the process that owns it.
-module(gosocket_names).

-behaviour(gen_server).

-export([find/1,
         find_descriptor/1,
         is_own/2,
         own/1,
         name/1,
         of_socket/1,
         running/0]).

-export([start_link/0,
         start_configured/0,
         know/1,
         start/2,
         stop/1,
         is_configured/1,
         enroll/1,
         greeted/1]).

-export([init/1,
         handle_call/3,
         handle_cast/2,
         handle_info/2]).

-include("gosocket.hrl").

%% Numbers of lanes with names. Those below are of default lanes.
-define(FIRST, 64).
-define(LAST, 255).

%% In the table there is `{Name, Number}' of each lane with a name, and this of each lane that has been started or configured.
-record(row,
        {number :: non_neg_integer(),
         name :: gosocket_lanes:name(),
         configured :: boolean(),
         %% by start/2, which has claimed it until it is stopped
         given = #{} :: gosocket_lanes:settings(),
         claimed = false :: boolean(),
         %% the last one, which whoever used it may have started, and whether it has been told to end
         lane = none :: pid() | none,
         stopping = false :: boolean(),
         own = #{} :: gosocket_lanes:settings()}).

-record(lanes,
        {next = ?FIRST :: non_neg_integer(),
         %% copies of options
         tables = #{} :: #{Number :: non_neg_integer() => gosocket_setting:table()},
         %% those that are being started
         attempts = #{} :: #{Number :: non_neg_integer() => gosocket_attempt:attempt()},
         %% lanes and starters that are monitored
         watched = #{} :: #{pid() => Number :: non_neg_integer()}}).

%% Its reference is opaque to those who look at its words.
-define(IS_SOCKET(Socket), (tuple_size(Socket) =:= 2 andalso element(1, Socket) =:= '$socket')).

-export_type([started/0]).

-type state() :: #lanes{}.
-type started() :: {ok, pid()} | {error, {already_started, pid()} | {no_lane, gosocket_lanes:name()} | atom()}.
-type found() :: {ok, Number :: non_neg_integer()} | {error, {no_lane, gosocket_lanes:name()} | einval | closed}.

%% ---- Which lane is meant

%% @doc The number of the lane with this name, or of the lane that a socket is of.
-spec find(gosocket_lanes:name() | gosocket:socket() | term()) -> found().
find(default) ->
    case gosocket_configuration:defaults() of
        1 -> {ok, 0};
        Count when is_integer(Count) -> {ok, erlang:phash2(self(), Count)};
        {error, Wrong} -> wrong(Wrong)
    end;
find({default, Which} = Name) ->
    case gosocket_configuration:defaults() of
        Count when is_integer(Count), is_integer(Which), Which >= 1, Which =< Count -> {ok, Which - 1};
        Count when is_integer(Count) -> find_more(Name);
        {error, Wrong} -> wrong(Wrong)
    end;
find(Name) when is_atom(Name) ->
    %% one that does not run may have left the configuration
    case [Number || {_, Number} <- lookup(Name), gosocket_door:is_running(Number)] of
        [Number] -> {ok, Number};
        [] -> gosocket_start:find_lane(Name)
    end;
find(Socket) when ?IS_SOCKET(Socket) ->
    %% the number may be that of another lane by now
    Handle = element(2, Socket),
    case gosocket_handle:find(Handle) of
        {_, _, _, _} -> {ok, gosocket_handle:number(element(1, gosocket_handle:place(Handle)))};
        {remote, _} -> {error, einval};
        closed -> {error, closed}
    end;
find(_) ->
    erlang:error(badarg).

%% There were more default lanes: those that run are known as long as they do.
-spec find_more({default, term()}) -> found().
find_more({default, Which} = Name) ->
    case is_integer(Which) andalso Which >= 1 andalso Which =< ?FIRST andalso gosocket_door:is_running(Which - 1) of
        true -> {ok, Which - 1};
        false -> {error, {no_lane, Name}}
    end.

-spec wrong(term()) -> {error, einval}.
wrong({lanes, Name, Wrong}) ->
    gosocket_helper:log_wrong(Name, Wrong),
    {error, einval};
wrong(Wrong) ->
    logger:error("gosocket: application variables that are not understood: ~tp. lanes is a list or map of names, other than default, with "
                 "settings of the README; default_lanes is 1 to 64", [Wrong]),
    {error, einval}.

%% @doc The one whose descriptor a number is: with several default lanes it has to be said.
-spec find_descriptor(Opts :: map()) -> found().
find_descriptor(Opts) ->
    Name = maps:get(lane, Opts, default),
    case Name =:= default andalso gosocket_configuration:defaults() of
        Count when is_integer(Count), Count > 1 -> {error, einval};
        _ -> find(Name)
    end.

%% @doc Whether descriptors of which this says whose they are, or nothing, are of the lane of a socket.
-spec is_own(Said :: map(), gosocket:socket() | term()) -> boolean().
is_own(#{lane := _} = Said, Socket) ->
    try
        find_descriptor(Said) =:= find(Socket)
    catch
        error:badarg -> false
    end;
is_own(_, _Socket) ->
    gosocket_configuration:defaults() =:= 1.

-spec lookup(term()) -> [tuple()].
lookup(Key) ->
    try
        ets:lookup(?MODULE, Key)
    catch
        error:badarg -> []
    end.

%% @doc What its settings say of what is asked for while it runs.
-spec own(Number :: non_neg_integer()) -> gosocket_lanes:settings().
own(Number) when Number < ?FIRST ->
    #{};
own(Number) ->
    case lookup(Number) of
        [{_, #row{own = Own}}] -> Own;
        [] -> #{}
    end.

-spec name(Number :: non_neg_integer()) -> gosocket_lanes:name() | ''.
name(Number) when Number < ?FIRST ->
    case gosocket_configuration:defaults() of
        1 when Number =:= 0 -> default;
        _ -> {default, Number + 1}
    end;
name(Number) ->
    case lookup(Number) of
        [{_, #row{name = Name}}] -> Name;
        [] -> ''
    end.

%% @doc The name of the lane that a socket is of, as long as that runs.
-spec of_socket(gosocket:socket() | term()) -> gosocket_lanes:name() | ''.
of_socket(Socket) ->
    case find(Socket) of
        {ok, Number} -> name(Number);
        {error, _} -> ''
    end.

-spec running() -> [{gosocket_lanes:name(), Number :: non_neg_integer(), Lane :: pid()}].
running() ->
    [{name(Number), Number, Lane} || Number <- numbers(), {Lane, _} <- [gosocket_door:look(Number)], is_process_alive(Lane)].

%% Of the rows.
-spec numbers() -> [non_neg_integer()].
numbers() ->
    try
        lists:sort([Number || {Number, _} <- ets:tab2list(?MODULE), is_integer(Number)])
    catch
        error:badarg -> []
    end.

%% ---- The process

-spec start_link() -> {ok, pid()} | {error, term()} | ignore.
start_link() ->
    gosocket_sup:succeed(fun() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []) end).

%% @doc Called when the application has started. What does not start is in the log, and is tried again when it is used.
-spec start_configured() -> ok.
start_configured() ->
    lists:foreach(fun(Number) -> gosocket_sup:start_lane(Number) end,
                  [Number || Name <- gosocket_configuration:starts(), {ok, Number} <- [know(Name)]]).

%% @doc Which lane this is, when the application runs. A name is known while it is configured, or its lane runs, or start/2 has it.
-spec know(atom()) -> found().
know(Name) ->
    gen_server:call(?MODULE, {know, Name}, infinity).

%% @doc Returns when the lane's helper has said hello, or why it has not. Of those who start a lane at the same time the first one has
%% done it.
-spec start(gosocket_lanes:name(), gosocket_lanes:settings()) -> started().
start(Name, Given) ->
    gen_server:call(?MODULE, {start, Name, Given}, infinity).

%% @doc From now on nobody has claimed it; who starts it at the moment has `closed'. The lanes returned are to be ended. `default' are all
%% default lanes.
-spec stop(gosocket_lanes:name()) -> {ok, [Lane :: pid()]} | {error, {no_lane, gosocket_lanes:name()} | einval}.
stop(Name) ->
    gen_server:call(?MODULE, {stop, Name}, infinity).

%% @doc What there is to say of a lane where the application does not run.
-spec is_configured(gosocket_lanes:name()) -> ok | {error, {no_lane, gosocket_lanes:name()} | einval}.
is_configured(default) ->
    ok;
is_configured(Name) ->
    case gosocket_configuration:defaults() of
        _ when is_atom(Name) -> is_known(gosocket_configuration:lane(Name), Name);
        Count when is_integer(Count), is_integer(element(2, Name)), element(2, Name) >= 1, element(2, Name) =< Count -> ok;
        Count when is_integer(Count) -> {error, {no_lane, Name}};
        {error, Wrong} -> wrong(Wrong)
    end.

-spec is_known({ok, gosocket_lanes:settings()} | none | {error, Wrong :: term()}, atom()) ->
          ok | {error, {no_lane, gosocket_lanes:name()} | einval}.
is_known({ok, _}, _Name) -> ok;
is_known(none, Name) -> {error, {no_lane, Name}};
is_known({error, Wrong}, _Name) -> wrong(Wrong).

%% @doc Called by a lane that starts.
-spec enroll(Number :: non_neg_integer()) -> {ok, #gosocket_lane{}, gosocket_lanes:settings()} | {error, no_lane | einval}.
enroll(Number) ->
    gen_server:call(?MODULE, {enroll, Number}, infinity).

%% @doc Called by a lane whose helper has said hello.
-spec greeted(Number :: non_neg_integer()) -> ok.
greeted(Number) ->
    gen_server:cast(?MODULE, {greeted, Number, self()}).

-spec init([]) -> {ok, state()}.
init([]) ->
    ?MODULE = ets:new(?MODULE, [named_table, {read_concurrency, true}]),
    {ok, #lanes{}}.

-spec handle_call(term(), {pid(), term()}, state()) -> {reply, term(), state()} | {noreply, state()}.
handle_call({know, Name}, _From, State) ->
    {Found, Known} = known(Name, State),
    {reply, Found, Known};
handle_call({start, Name, Given}, From, State) ->
    {noreply, wanted(gosocket_attempt:waiter(From, Name, Given), State)};
handle_call({stop, default}, _From, State) ->
    {Lanes, Stopped} = lists:mapfoldl(fun stopped/2, State, [Number || Number <- numbers(), Number < ?FIRST]),
    {reply, {ok, lists:append(Lanes)}, Stopped};
handle_call({stop, Name}, _From, State) ->
    case known(Name, State) of
        {{ok, Number}, Known} ->
            {Lanes, Stopped} = stopped(Number, Known),
            {reply, {ok, Lanes}, Stopped};
        {Error, Known} ->
            {reply, Error, Known}
    end;
handle_call({enroll, Number}, {Lane, _}, State) ->
    {Enrolled, Known} = enrolled(row(Number), Number, Lane, State),
    {reply, Enrolled, Known}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast({greeted, Number, Lane}, #lanes{attempts = Attempts} = State) ->
    case Attempts of
        #{Number := Attempt} -> {noreply, greeted(gosocket_attempt:greeted(Lane, Attempt), Number, State)};
        _ -> {noreply, State}
    end;
handle_cast(_Request, State) ->
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({'DOWN', _, process, Pid, Reason}, #lanes{watched = Watched} = State) ->
    {Number, Others} = maps:take(Pid, Watched),
    {noreply, ended(Pid, Reason, Number, State#lanes{watched = Others})};
handle_info(_Other, State) ->
    {noreply, State}.

-spec row(Number :: non_neg_integer()) -> #row{} | none.
row(Number) ->
    case ets:lookup(?MODULE, Number) of
        [{_, Row}] -> Row;
        [] -> none
    end.

-spec insert(#row{}) -> true.
insert(#row{number = Number, name = Name, stopping = Stopping} = Row) ->
    _ = Number >= ?FIRST andalso not Stopping andalso ets:insert(?MODULE, {Name, Number}),
    ets:insert(?MODULE, {Number, Row}).

%% The name may be that of a later lane by now.
-spec forget(#row{}) -> true.
forget(#row{number = Number, name = Name}) ->
    true = ets:delete_object(?MODULE, {Name, Number}),
    ets:delete(?MODULE, Number).

-spec is_alive(pid() | none) -> boolean().
is_alive(Lane) ->
    is_pid(Lane) andalso is_process_alive(Lane).

%% ---- Which names are known

-spec known(gosocket_lanes:name(), state()) -> {found(), state()}.
known(Name, State) when is_tuple(Name) ->
    {find(Name), State};
known(Name, State) ->
    case {ets:lookup(?MODULE, Name), gosocket_configuration:lane(Name)} of
        {[{Name, Number}], none} -> {known_once(row(Number), State), State};
        {[{Name, Number}], _} -> {{ok, Number}, State};
        {[], {ok, Configured}} -> free(#row{number = 0, name = Name, configured = true, own = gosocket_configuration:own(Configured, #{})}, State);
        {[], none} -> {{error, {no_lane, Name}}, State};
        {[], {error, Wrong}} -> {wrong(Wrong), State}
    end.

%% It is not in the configuration, or no longer.
-spec known_once(#row{}, state()) -> found().
known_once(#row{number = Number, name = Name, configured = true, lane = Lane} = Row, #lanes{attempts = Attempts}) ->
    case is_alive(Lane) orelse is_map_key(Number, Attempts) of
        true ->
            {ok, Number};
        false ->
            forget(Row),
            {error, {no_lane, Name}}
    end;
known_once(#row{number = Number}, _State) ->
    {ok, Number}.

%% Numbers go round, so that who still waits for one does not meet another lane there soon.
-spec free(#row{}, state()) -> {{ok, non_neg_integer()} | {error, system_limit}, state()}.
free(Row, #lanes{next = Next} = State) ->
    Numbers = lists:seq(Next, ?LAST) ++ lists:seq(?FIRST, Next - 1),
    case lists:dropwhile(fun(Number) -> ets:member(?MODULE, Number) end, Numbers) of
        [] ->
            {{error, system_limit}, State};
        [Number | _] ->
            insert(Row#row{number = Number}),
            {{ok, Number}, State#lanes{next = ?FIRST + (Number + 1 - ?FIRST) rem (?LAST + 1 - ?FIRST)}}
    end.

%% ---- Starts and stops

-spec wanted(gosocket_attempt:waiter(), state()) -> state().
wanted(Waiter, State) ->
    Name = gosocket_attempt:name(Waiter),
    case known(Name, State) of
        {{ok, Number}, Known} ->
            joined(Number, Waiter, Known);
        {{error, {no_lane, _}}, _} when is_atom(Name) ->
            case free(#row{number = 0, name = Name, configured = false}, State) of
                {{ok, Number}, Known} ->
                    joined(Number, Waiter, Known);
                {Error, _} ->
                    gosocket_attempt:answer(Waiter, Error),
                    State
            end;
        {Error, Known} ->
            gosocket_attempt:answer(Waiter, Error),
            Known
    end.

-spec joined(Number :: non_neg_integer(), gosocket_attempt:waiter(), state()) -> state().
joined(Number, Waiter, #lanes{attempts = Attempts} = State) ->
    case {Attempts, row(Number)} of
        {#{Number := Attempt}, _} ->
            State#lanes{attempts = Attempts#{Number := gosocket_attempt:join(Waiter, Attempt)}};
        {_, none} ->
            begun(#row{number = Number, name = {default, Number + 1}, configured = true}, Waiter, State);
        {_, #row{lane = Lane, stopping = Stopping} = Row} ->
            case is_alive(Lane) of
                true when Stopping ->
                    State#lanes{attempts = Attempts#{Number => gosocket_attempt:ending(Lane, Waiter)}};
                true ->
                    gosocket_attempt:answer(Waiter, {error, {already_started, Lane}}),
                    State;
                false ->
                    begun(Row, Waiter, State)
            end
    end.

%% Asking the supervisor is for another process: the lane asks this one for its settings.
-spec begun(#row{}, gosocket_attempt:waiter(), state()) -> state().
begun(#row{number = Number, claimed = Claimed} = Row, Waiter, #lanes{attempts = Attempts} = State) ->
    {Claim, #row{given = Given} = Own} = case Claimed of
                                             true -> {held, Row};
                                             false -> {new, Row#row{given = gosocket_attempt:given(Waiter), claimed = true}}
                                         end,
    insert(Own#row{stopping = false}),
    {Starter, _} = spawn_monitor(gosocket_start, run_lane, [Number]),
    watched(Starter, Number, State#lanes{attempts = Attempts#{Number => gosocket_attempt:begun(Starter, Claim, Given, Waiter)}}).

-spec watched(pid(), non_neg_integer(), state()) -> state().
watched(Pid, Number, #lanes{watched = Watched} = State) ->
    State#lanes{watched = Watched#{Pid => Number}}.

-spec greeted(IsThere :: boolean(), non_neg_integer(), state()) -> state().
greeted(true, Number, #lanes{attempts = Attempts} = State) -> State#lanes{attempts = maps:remove(Number, Attempts)};
greeted(false, _Number, State) -> State.

-spec stopped(Number :: non_neg_integer(), state()) -> {[Lane :: pid()], state()}.
stopped(Number, #lanes{attempts = Attempts} = State) ->
    {stopped(row(Number)),
     case Attempts of
         #{Number := Attempt} -> State#lanes{attempts = Attempts#{Number := gosocket_attempt:stop(Attempt)}};
         _ -> State
     end}.

-spec stopped(#row{} | none) -> [Lane :: pid()].
stopped(none) ->
    [];
stopped(#row{name = Name, number = Number, configured = Configured, lane = Lane} = Row) ->
    IsAlive = is_alive(Lane),
    _ = Configured orelse ets:delete_object(?MODULE, {Name, Number}),
    _ = case Configured orelse IsAlive of
            true -> insert(Row#row{given = #{}, claimed = false, stopping = IsAlive});
            false -> forget(Row)
        end,
    [Lane || IsAlive].

%% A lane, or who was to ask for one.
-spec ended(pid(), Reason :: term(), Number :: non_neg_integer(), state()) -> state().
ended(Pid, Reason, Number, #lanes{attempts = Attempts} = State) ->
    _ = case row(Number) of
            #row{lane = Pid, stopping = true, configured = false} = Row -> forget(Row);
            _ -> true
        end,
    case Attempts of
        #{Number := Attempt} ->
            case gosocket_attempt:ended(Pid, Reason, Attempt) of
                {over, Waiters} ->
                    _ = gosocket_attempt:is_claim(Attempt) andalso unclaimed(row(Number)),
                    lists:foldl(fun wanted/2, State#lanes{attempts = maps:remove(Number, Attempts)}, Waiters);
                Goes ->
                    State#lanes{attempts = Attempts#{Number := Goes}}
            end;
        _ ->
            State
    end.

-spec unclaimed(#row{} | none) -> true.
unclaimed(none) -> true;
unclaimed(#row{configured = false} = Row) -> forget(Row);
unclaimed(Row) -> insert(Row#row{given = #{}, claimed = false}).

%% ---- Lanes that start

%% The configuration is read when a lane starts.
-spec enrolled(#row{} | none, non_neg_integer(), Lane :: pid(), state()) ->
          {{ok, #gosocket_lane{}, gosocket_lanes:settings()} | {error, no_lane | einval}, state()}.
enrolled(none, Number, Lane, State) when Number < ?FIRST ->
    enrolled(#row{number = Number, name = {default, Number + 1}, configured = true}, Number, Lane, State);
enrolled(none, _Number, _Lane, State) ->
    {{error, no_lane}, State};
enrolled(#row{stopping = true, configured = false}, _Number, _Lane, State) ->
    {{error, no_lane}, State};
enrolled(Row, Number, Lane, #lanes{attempts = Attempts} = State) ->
    case is_map_key(Number, Attempts) andalso gosocket_attempt:is_stopped(maps:get(Number, Attempts)) orelse configured(Row) of
        true ->
            {{error, no_lane}, State};
        {ok, Configured} ->
            enrolled(Row#row{lane = Lane, stopping = false}, Configured, State);
        none ->
            forget(Row),
            {{error, no_lane}, State};
        {error, Wrong} ->
            {wrong(Wrong), State}
    end.

-spec configured(#row{}) -> {ok, gosocket_lanes:settings()} | none | {error, Wrong :: term()}.
configured(#row{configured = false}) ->
    {ok, #{}};
configured(#row{number = Number, name = Name}) ->
    case gosocket_configuration:defaults() of
        Count when is_integer(Count), Number < ?FIRST, Number >= Count -> none;
        {error, Wrong} when Number < ?FIRST -> {error, Wrong};
        _ -> gosocket_configuration:lane(Name)
    end.

-spec enrolled(#row{}, gosocket_lanes:settings(), state()) -> {{ok, #gosocket_lane{}, gosocket_lanes:settings()}, state()}.
enrolled(#row{number = Number, given = Given, claimed = Claimed, lane = Lane} = Row, Configured, State) ->
    #lanes{tables = Tables, attempts = Attempts} = State,
    insert(Row#row{own = gosocket_configuration:own(Configured, Given)}),
    Table = case Tables of
                #{Number := Made} -> Made;
                _ -> gosocket_setting:new()
            end,
    _ = monitor(process, Lane),
    Used = gosocket_attempt:used(case Claimed of true -> held; false -> none end, Given),
    Attempt = gosocket_attempt:enrolled(Lane, maps:get(Number, Attempts, Used)),
    {{ok, gosocket_door:make(Number, Table), gosocket_configuration:settings(Configured, Given)},
     watched(Lane, Number, State#lanes{tables = Tables#{Number => Table}, attempts = Attempts#{Number => Attempt}})}.

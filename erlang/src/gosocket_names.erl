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
         running/0,
         defaults/0]).

-export([start_link/0,
         start_configured/0,
         know/1,
         add/2,
         enroll/1,
         remove/1,
         removed/1]).

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
         %% the last one, which whoever used it may have started
         lane = none :: pid() | none,
         own = #{} :: gosocket_lanes:settings(),
         stopping = false :: boolean()}).

-record(lanes,
        {next = ?FIRST :: non_neg_integer(),
         %% copies of options
         tables = #{} :: #{Number :: non_neg_integer() => gosocket_setting:table()}}).

%% Its reference is opaque to those who look at its words.
-define(IS_SOCKET(Socket), (tuple_size(Socket) =:= 2 andalso element(1, Socket) =:= '$socket')).

-type state() :: #lanes{}.
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
        Count when is_integer(Count) -> {error, {no_lane, Name}};
        {error, Wrong} -> wrong(Wrong)
    end;
find(Name) when is_atom(Name) ->
    case lookup(Name) of
        [{Name, Number}] -> {ok, Number};
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

-spec wrong(term()) -> {error, einval}.
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
    try lists:sort(ets:match(?MODULE, {'$1', {row, '_', '_', '_', '_', '_', '_', '_', '_'}})) of
        Numbers -> [{name(Number), Number, Lane} || [Number] <- Numbers, {Lane, _} <- [gosocket_door:look(Number)], is_process_alive(Lane)]
    catch
        error:badarg -> []
    end.

%% @doc The numbers of the default lanes that run.
-spec defaults() -> [non_neg_integer()].
defaults() ->
    [Number || {_, Number, _} <- running(), Number < ?FIRST].

%% ---- The process

-spec start_link() -> {ok, pid()} | {error, term()} | ignore.
start_link() ->
    gosocket_sup:succeed(fun() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []) end).

%% @doc Called when the application has started. What does not start is in the log, and is tried again when it is used.
-spec start_configured() -> ok.
start_configured() ->
    lists:foreach(fun(Number) -> gosocket_sup:start_lane(Number) end,
                  [Number || Name <- gosocket_configuration:starts(), {ok, Number} <- [know(Name)]]).

%% @doc The same as find/1 when the application runs.
-spec know(atom()) -> found().
know(Name) ->
    gen_server:call(?MODULE, {know, Name}, infinity).

%% @doc The number for a lane that is to be started by this name, `already' when somebody has started it, whether it runs or not.
-spec add(gosocket_lanes:name(), gosocket_lanes:settings()) -> {new | already, Number :: non_neg_integer()} | {error, system_limit | no_lane}.
add(Name, Given) ->
    gen_server:call(?MODULE, {add, Name, Given}, infinity).

%% @doc Called by a lane that starts.
-spec enroll(Number :: non_neg_integer()) -> {ok, #gosocket_lane{}, gosocket_lanes:settings()} | {error, no_lane | einval}.
enroll(Number) ->
    gen_server:call(?MODULE, {enroll, Number}, infinity).

%% @doc It is about to be ended.
-spec remove(Number :: non_neg_integer()) -> ok.
remove(Number) ->
    gen_server:call(?MODULE, {remove, Number}, infinity).

%% @doc It has ended.
-spec removed(Number :: non_neg_integer()) -> ok.
removed(Number) ->
    gen_server:call(?MODULE, {removed, Number}, infinity).

-spec init([]) -> {ok, state()}.
init([]) ->
    ?MODULE = ets:new(?MODULE, [named_table, {read_concurrency, true}]),
    {ok, #lanes{}}.

-spec handle_call(term(), {pid(), term()}, state()) -> {reply, term(), state()}.
handle_call({know, Name}, _From, State) ->
    {Found, Known} = known(Name, State),
    {reply, Found, Known};
handle_call({add, Name, Given}, _From, State) ->
    {Added, Known} = added(Name, Given, State),
    {reply, Added, Known};
handle_call({enroll, Number}, {Lane, _}, State) ->
    {Enrolled, Known} = enrolled(row(Number), Number, Lane, State),
    {reply, Enrolled, Known};
handle_call({remove, Number}, _From, State) ->
    case row(Number) of
        none -> ok;
        %% somebody else is about to end it, and the name may be that of a later lane
        #row{stopping = true} -> ok;
        #row{configured = true} = Row -> insert(Row#row{given = #{}, claimed = false});
        #row{name = Name} = Row ->
            true = ets:delete(?MODULE, Name),
            insert(Row#row{stopping = true})
    end,
    {reply, ok, State};
handle_call({removed, Number}, _From, State) ->
    case row(Number) of
        #row{stopping = true} -> ets:delete(?MODULE, Number);
        _ -> true
    end,
    {reply, ok, State}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Request, State) ->
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()}.
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

-spec known(gosocket_lanes:name(), state()) -> {found(), state()}.
known(Name, State) ->
    case {ets:lookup(?MODULE, Name), gosocket_configuration:lane(Name)} of
        {[{Name, Number}], _} -> {{ok, Number}, State};
        {[], {ok, Configured}} -> free(#row{number = 0, name = Name, configured = true, own = gosocket_configuration:own(Configured, #{})}, State);
        {[], none} -> {{error, {no_lane, Name}}, State};
        {[], {error, Wrong}} -> {wrong(Wrong), State}
    end.

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

-spec added(gosocket_lanes:name(), gosocket_lanes:settings(), state()) -> {{new | already, non_neg_integer()} | {error, atom()}, state()}.
added(Name, Given, State) when Name =:= default; is_tuple(Name) ->
    case find(Name) of
        {ok, Number} when map_size(Given) =:= 0 -> {{running(Number), Number}, State};
        _ -> {{error, no_lane}, State}
    end;
added(Name, Given, State) ->
    case known(Name, State) of
        {{ok, Number}, Known} ->
            {claimed(row(Number), Given), Known};
        {{error, {no_lane, _}}, _} ->
            case free(#row{number = 0, name = Name, configured = false, given = Given, claimed = true,
                           own = gosocket_configuration:own(#{}, Given)}, State) of
                {{ok, Number}, Known} -> {{new, Number}, Known};
                {Error, _} -> {Error, State}
            end;
        {Error, _} ->
            {Error, State}
    end.

-spec running(Number :: non_neg_integer()) -> new | already.
running(Number) ->
    case gosocket_door:is_running(Number) of
        true -> already;
        false -> new
    end.

-spec claimed(#row{}, gosocket_lanes:settings()) -> {new | already, non_neg_integer()}.
claimed(#row{claimed = Claimed, lane = Lane, number = Number} = Row, Given) ->
    case Claimed orelse is_pid(Lane) andalso is_process_alive(Lane) of
        true ->
            {already, Number};
        false ->
            insert(Row#row{given = Given, claimed = true}),
            {new, Number}
    end.

%% The configuration is read when a lane starts.
-spec enrolled(#row{} | none, non_neg_integer(), Lane :: pid(), state()) ->
          {{ok, #gosocket_lane{}, gosocket_lanes:settings()} | {error, no_lane | einval}, state()}.
enrolled(none, Number, Lane, State) when Number < ?FIRST ->
    enrolled(#row{number = Number, name = {default, Number + 1}, configured = true}, Number, Lane, State);
enrolled(none, _Number, _Lane, State) ->
    {{error, no_lane}, State};
enrolled(#row{stopping = true}, _Number, _Lane, State) ->
    {{error, no_lane}, State};
enrolled(#row{configured = false} = Row, _Number, Lane, State) ->
    enrolled(Row#row{lane = Lane}, #{}, State);
enrolled(#row{name = Name} = Row, _Number, Lane, State) ->
    case gosocket_configuration:lane(Name) of
        {ok, Configured} ->
            enrolled(Row#row{lane = Lane}, Configured, State);
        none ->
            {{error, no_lane}, State};
        {error, Wrong} ->
            {wrong(Wrong), State}
    end.

-spec enrolled(#row{}, gosocket_lanes:settings(), state()) -> {{ok, #gosocket_lane{}, gosocket_lanes:settings()}, state()}.
enrolled(#row{number = Number, given = Given} = Row, Configured, #lanes{tables = Tables} = State) ->
    insert(Row#row{own = gosocket_configuration:own(Configured, Given)}),
    Table = case Tables of
                #{Number := Made} -> Made;
                _ -> gosocket_setting:new()
            end,
    {{ok, gosocket_door:make(Number, Table), gosocket_configuration:settings(Configured, Given)},
     State#lanes{tables = Tables#{Number => Table}}}.

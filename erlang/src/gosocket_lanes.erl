%% @doc Lanes with names. Each has a helper of its own, with settings and rights of its own, so that what ends one of them or fills it
%% concerns no socket of another:
%%
%% <pre>
%% {gosocket, [{capabilities, []},
%%             {lanes, [{raw, #{capabilities => [net_raw], allow => [{types, [raw]}]}}]}]}.
%%
%% {ok, Socket} = gosocket:open(inet, raw, icmp, #{lane => raw}).
%% </pre>
%%
%% Without the option `lane' sockets are of the lane `default'. The variable `default_lanes' says that this is several, by the
%% names `{default, 1}' and so on, among which sockets are spread by the process that opens them. Accepted sockets are of their
%% listener's lane. A lane of the configuration starts when it is first used, or with the application where its settings have
%% `start => application'. One whose helper has died starts again when it is used again.
-module(gosocket_lanes).

-behaviour(gen_server).

-export([start/2,
         stop/1,
         which/0,
         info/1]).

%% For this application.
-export([start_link/0,
         start_configured/0,
         find/1,
         find_descriptor/1,
         is_own/2,
         know/1,
         add/2,
         enroll/1,
         own/1,
         name/1,
         helper/1,
         running/0,
         remove/1,
         removed/1]).

-export([init/1,
         handle_call/3,
         handle_cast/2,
         handle_info/2]).

-include("gosocket.hrl").

-export_type([name/0, settings/0, info/0]).

-type name() :: atom() | {default, pos_integer()}.
%% The settings of the README, by the names of the variables, without `helper'.
-type settings() :: gosocket_configuration:settings().
-type info() :: #{name := name(),
                  pid := pid() | undefined,
                  helper := OsPid :: pos_integer() | undefined,
                  num_sockets := non_neg_integer(),
                  protections := map()}.

%% Numbers of lanes with names. Those below are of default lanes.
-define(FIRST, 64).
-define(LAST, 255).

%% In the table there is `{Name, Number}' of each lane with a name, and this of each lane that has been started or configured.
-record(row,
        {number :: non_neg_integer(),
         name :: name(),
         configured :: boolean(),
         %% by start/2, which has claimed it until it is stopped
         given = #{} :: settings(),
         claimed = false :: boolean(),
         own = #{} :: settings(),
         stopping = false :: boolean()}).

-record(lanes,
        {next = ?FIRST :: non_neg_integer(),
         %% copies of options
         tables = #{} :: #{Number :: non_neg_integer() => gosocket_setting:table()}}).

%% Its reference is opaque to those who look at its words.
-define(IS_SOCKET(Socket), (tuple_size(Socket) =:= 2 andalso element(1, Socket) =:= '$socket')).

-type state() :: #lanes{}.
-type found() :: {ok, Number :: non_neg_integer()} | {error, {no_lane, name()} | einval | closed}.

%% ---- For everybody

%% @doc Starts a lane under this name, with the variables of the application and these in place of some. Rights can only be taken away
%% here: of the capabilities those stay that are in both lists, the allow-list counts beside the one that is configured, and what the
%% kernel keeps it keeps. The same goes for a lane of the configuration, which is started with that. Until it is stopped it has the
%% name, whether its helper lives or not. Fails with `system_limit' when there are 192, and otherwise as `gosocket:open/4' does.
-spec start(name(), settings()) -> {ok, pid()} | {error, {already_started, pid()} | system_limit | atom()}.
start(Name, Settings) when is_atom(Name); tuple_size(Name) =:= 2, element(1, Name) =:= default ->
    case gosocket_configuration:is_good(Settings) of
        true -> started(gosocket_start:new_lane(Name, Settings), Name, Settings);
        false -> erlang:error(badarg, [Name, Settings])
    end;
start(Name, Settings) ->
    erlang:error(badarg, [Name, Settings]).

%% Its helper has its hello still to say, or what it does not like of the settings. It answers any question after that.
-spec started(gosocket_start:new_lane(), name(), settings()) -> {ok, pid()} | {error, {already_started, pid()} | atom()}.
started({ok, Lane, Number}, Name, Settings) ->
    case gosocket_wait:open(plain, {supports, started}, false, Number) of
        {ok, _} -> {ok, Lane};
        {error, Reason} -> refused(Reason, Name, Settings)
    end;
started({error, no_lane}, Name, Settings) ->
    erlang:error(badarg, [Name, Settings]);
started({error, Reason}, _Name, _Settings) ->
    {error, Reason}.

-spec refused(atom(), name(), settings()) -> {error, atom()} | no_return().
refused(Reason, Name, Settings) ->
    _ = stop(Name),
    _ = Reason =:= einval andalso map_size(Settings) > 0 andalso erlang:error(badarg, [Name, Settings]),
    {error, Reason}.

%% @doc Ends it in order: its sockets close, and whoever waits is answered with `closed'. One that was started by {@link start/2} is
%% forgotten; others start again when they are next used.
-spec stop(name()) -> ok | {error, {no_lane, name()} | closed}.
stop(Name) ->
    case find(Name) of
        {ok, Number} when Name =/= default -> gosocket_start:end_lane(Number);
        {ok, _} -> stop_defaults();
        {error, {no_lane, _}} = Error -> Error;
        {error, _} -> {error, closed}
    end.

-spec stop_defaults() -> ok | {error, closed}.
stop_defaults() ->
    Ends = [gosocket_start:end_lane(Number) || {_, Number, _} <- running(), Number < ?FIRST],
    case lists:usort(Ends) -- [ok] of
        [] -> ok;
        [Error | _] -> Error
    end.

%% @doc The names of the lanes that run.
-spec which() -> [name()].
which() ->
    [Name || {Name, _, _} <- running()].

%% @doc What runs of a lane, and what of docs/security.md is active in its helper.
-spec info(name()) -> info() | {error, {no_lane, name()} | einval | closed}.
info(Name) ->
    case find(Name) of
        {ok, Number} -> info(name(Number), gosocket_door:look(Number));
        {error, Reason} -> {error, Reason}
    end.

%% @private
%% @doc The process of its helper.
-spec helper(Number :: non_neg_integer()) -> OsPid :: pos_integer() | undefined.
helper(Number) ->
    #{helper := OsPid} = info(name(Number), gosocket_door:look(Number)),
    OsPid.

-spec info(name(), {pid(), term()} | none) -> info().
info(Name, none) ->
    #{name => Name, pid => undefined, helper => undefined, num_sockets => 0, protections => #{}};
info(Name, {Lane, _}) ->
    case gosocket_wait:ask_lane(Lane, info) of
        {error, closed} -> info(Name, none);
        Info -> Info#{name => Name, pid => Lane}
    end.

%% ---- Which lane is meant

%% @doc The number of the lane with this name, or of the lane that a socket is of.
-spec find(name() | gosocket:socket() | term()) -> found().
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
    case gosocket_handle:place(element(2, Socket)) of
        {remote, _} -> {error, einval};
        {Place, _} -> {ok, gosocket_handle:number(Place)}
    end;
find(_) ->
    erlang:error(badarg).

-spec wrong(term()) -> {error, einval}.
wrong(Wrong) ->
    logger:error("gosocket: application variables that say nothing of lanes: ~tp", [Wrong]),
    {error, einval}.

%% @doc The one whose descriptor a number is: with several default lanes it has to be said.
-spec find_descriptor(Opts :: map()) -> found().
find_descriptor(#{lane := Socket}) when ?IS_SOCKET(Socket) ->
    case gosocket_handle:find(element(2, Socket)) of
        {_, _, _, _} -> find(Socket);
        {remote, _} -> {error, einval};
        closed -> {error, closed}
    end;
find_descriptor(Opts) ->
    Name = maps:get(lane, Opts, default),
    case Name =:= default andalso gosocket_configuration:defaults() of
        Count when is_integer(Count), Count > 1 -> {error, einval};
        _ -> find(Name)
    end.

%% @doc Whether that is a socket or the name of this lane, of this run of it.
-spec is_own(name() | gosocket:socket() | term(), Number :: non_neg_integer()) -> boolean().
is_own(Whose, Number) ->
    find_descriptor(#{lane => Whose}) =:= {ok, Number}.

-spec lookup(term()) -> [tuple()].
lookup(Key) ->
    try
        ets:lookup(?MODULE, Key)
    catch
        error:badarg -> []
    end.

%% @doc What its settings say of what is asked for while it runs.
-spec own(Number :: non_neg_integer()) -> settings().
own(Number) when Number < ?FIRST ->
    #{};
own(Number) ->
    case lookup(Number) of
        [{_, #row{own = Own}}] -> Own;
        [] -> #{}
    end.

-spec name(Number :: non_neg_integer()) -> name().
name(Number) when Number < ?FIRST ->
    case gosocket_configuration:defaults() of
        1 when Number =:= 0 -> default;
        _ -> {default, Number + 1}
    end;
name(Number) ->
    case lookup(Number) of
        [{_, #row{name = Name}}] -> Name;
        [] -> undefined
    end.

-spec running() -> [{name(), Number :: non_neg_integer(), Lane :: pid()}].
running() ->
    try lists:sort(ets:match(?MODULE, {'$1', {row, '_', '_', '_', '_', '_', '_', '_'}})) of
        Numbers -> [{name(Number), Number, Lane} || [Number] <- Numbers, {Lane, _} <- [gosocket_door:look(Number)], is_process_alive(Lane)]
    catch
        error:badarg -> []
    end.

%% ---- The process that knows them

-spec start_link() -> {ok, pid()} | {error, term()} | ignore.
start_link() ->
    gosocket_sup:succeed(fun() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []) end).

%% @doc Called when the application has started. What does not start is in the log, and is tried again when it is used.
-spec start_configured() -> ok.
start_configured() ->
    lists:foreach(fun(Name) ->
                          {ok, Number} = know(Name),
                          gosocket_sup:start_lane(Number)
                  end, gosocket_configuration:starts()).

%% @doc The same as find/1 when the application runs.
-spec know(atom()) -> found().
know(Name) ->
    gen_server:call(?MODULE, {know, Name}, infinity).

%% @doc The number for a lane that is to be started by this name, `already' when somebody has started it, whether it runs or not.
-spec add(name(), settings()) -> {new | already, Number :: non_neg_integer()} | {error, system_limit | no_lane}.
add(Name, Given) ->
    gen_server:call(?MODULE, {add, Name, Given}, infinity).

%% @doc Called by a lane that starts.
-spec enroll(Number :: non_neg_integer()) -> {ok, #gosocket_lane{}, settings()} | {error, no_lane | einval}.
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
handle_call({enroll, Number}, _From, State) ->
    {Enrolled, Known} = enrolled(row(Number), Number, State),
    {reply, Enrolled, Known};
handle_call({remove, Number}, _From, State) ->
    case row(Number) of
        none -> ok;
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

-spec known(name(), state()) -> {found(), state()}.
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

-spec added(name(), settings(), state()) -> {{new | already, non_neg_integer()} | {error, atom()}, state()}.
added(Name, Given, State) when Name =:= default; is_tuple(Name) ->
    case find(Name) of
        {ok, Number} when map_size(Given) =:= 0 -> {{new, Number}, State};
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

-spec claimed(#row{}, settings()) -> {new | already, non_neg_integer()}.
claimed(#row{claimed = true, number = Number}, _Given) ->
    {already, Number};
claimed(#row{number = Number} = Row, Given) ->
    insert(Row#row{given = Given, claimed = true}),
    {new, Number}.

%% The configuration is read when a lane starts.
-spec enrolled(#row{} | none, non_neg_integer(), state()) -> {{ok, #gosocket_lane{}, settings()} | {error, no_lane | einval}, state()}.
enrolled(none, Number, State) when Number < ?FIRST ->
    Row = #row{number = Number, name = {default, Number + 1}, configured = true, claimed = true},
    insert(Row),
    enrolled(Row, #{}, Number, State);
enrolled(none, _Number, State) ->
    {{error, no_lane}, State};
enrolled(#row{stopping = true}, _Number, State) ->
    {{error, no_lane}, State};
enrolled(#row{configured = false} = Row, Number, State) ->
    enrolled(Row, #{}, Number, State);
enrolled(#row{name = Name} = Row, Number, State) ->
    case gosocket_configuration:lane(Name) of
        {ok, Configured} ->
            enrolled(Row, Configured, Number, State);
        none ->
            {{error, no_lane}, State};
        {error, Wrong} ->
            {wrong(Wrong), State}
    end.

-spec enrolled(#row{}, settings(), non_neg_integer(), state()) -> {{ok, #gosocket_lane{}, settings()}, state()}.
enrolled(#row{given = Given} = Row, Configured, Number, #lanes{tables = Tables} = State) ->
    insert(Row#row{claimed = true, own = gosocket_configuration:own(Configured, Given)}),
    Table = case Tables of
                #{Number := Made} -> Made;
                _ -> gosocket_setting:new()
            end,
    {{ok, gosocket_door:make(Number, Table), gosocket_configuration:settings(Configured, Given)},
     State#lanes{tables = Tables#{Number => Table}}}.

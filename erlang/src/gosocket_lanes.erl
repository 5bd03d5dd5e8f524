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

-export([start/2,
         stop/1,
         which/0,
         info/1]).

-export_type([name/0, settings/0, info/0]).

-type name() :: atom() | {default, pos_integer()}.
%% The settings of the README, by the names of the variables, without `helper'.
-type settings() :: gosocket_configuration:settings().
-type info() :: #{name := name(),
                  pid := pid() | undefined,
                  helper := OsPid :: pos_integer() | undefined,
                  num_sockets := non_neg_integer(),
                  protections := map()}.

%% @doc Starts a lane under this name, with the variables of the application and these in place of some. Rights can only be taken away
%% here: of the capabilities those stay that are in both lists, the allow-list counts beside the one that is configured, and what the
%% kernel keeps it keeps. The same goes for a lane of the configuration, which is started with that. Default lanes take no settings.
%% Until it is stopped it has the name, whether its helper lives or not; one that only somebody's use has started, as long as it runs.
%% A name that has left the configuration is free once its lane has ended.
%%
%% Of those who start a lane at the same time one has done it, and all have the same answer when it does not start. Settings that are
%% not understood are a badarg, and so are names that no lane can be started by; what the configuration does not let start is the
%% error that `gosocket:open/4' has. `closed' is told when somebody stops the lane before it is there, or kills it again and again,
%% `system_limit' when there are 192.
-spec start(name(), settings()) -> {ok, pid()} | {error, {already_started, pid()} | system_limit | atom()}.
start(Name, Settings) when is_atom(Name); tuple_size(Name) =:= 2, element(1, Name) =:= default ->
    case gosocket_configuration:wrong_given(Settings) of
        [] ->
            start(Name, Settings, lane(Name));
        Wrong ->
            gosocket_helper:log_wrong(Name, Wrong),
            erlang:error(badarg, [Name, Settings])
    end;
start(Name, Settings) ->
    erlang:error(badarg, [Name, Settings]).

-spec start(name(), settings(), {ok, name()} | {error, {no_lane, name()} | einval | closed}) ->
          {ok, pid()} | {error, {already_started, pid()} | atom()}.
start(Name, Settings, {ok, Lane}) when is_atom(Lane); map_size(Settings) =:= 0 ->
    case gosocket_start:new_lane(Lane, Settings) of
        {error, {no_lane, _}} ->
            not_default(Name, Settings);
        {error, usage} when is_map_key(capabilities, Settings); is_map_key(allow, Settings) ->
            %% of the names in these the helper knows
            erlang:error(badarg, [Name, Settings]);
        {error, usage} ->
            {error, einval};
        Result ->
            Result
    end;
start(_Name, _Settings, {error, Reason}) when is_atom(Reason) ->
    {error, Reason};
start(Name, Settings, _) ->
    not_default(Name, Settings).

-spec not_default(name(), settings()) -> no_return().
not_default(Name, Settings) ->
    logger:error("gosocket: lane ~tp: there is no such default lane, or it is given settings: ~tp", [Name, Settings]),
    erlang:error(badarg, [Name, Settings]).

%% Of the default lanes that of the process that asks.
-spec lane(name()) -> {ok, name()} | {error, {no_lane, name()} | einval | closed}.
lane(Name) when is_atom(Name), Name =/= default ->
    {ok, Name};
lane(Name) ->
    case gosocket_names:find(Name) of
        {ok, Number} -> {ok, {default, Number + 1}};
        Error -> Error
    end.

%% @doc Ends it in order: its sockets close, and whoever waits is answered with `closed'. One that was started by {@link start/2} is
%% forgotten; others start again when they are next used. Where the application does not run it is not started for this.
-spec stop(name()) -> ok | {error, {no_lane, name()} | einval | closed}.
stop(Name) when is_atom(Name); tuple_size(Name) =:= 2, element(1, Name) =:= default ->
    gosocket_start:end_lanes(Name);
stop(Name) ->
    erlang:error(badarg, [Name]).

%% @doc The names of the lanes that run.
-spec which() -> [name()].
which() ->
    [Name || {Name, _, _} <- gosocket_names:running()].

%% @doc What runs of a lane, and what of docs/security.md is active in its helper. A name is known while it is configured, or its lane runs,
%% or start/2 has started it.
-spec info(name()) -> info() | {error, {no_lane, name()} | einval | closed}.
info(Name) ->
    case gosocket_names:find(Name) of
        {ok, Number} -> info(gosocket_names:name(Number), gosocket_door:look(Number));
        {error, Reason} -> {error, Reason}
    end.

-spec info(name(), {pid(), term()} | none) -> info().
info(Name, none) ->
    #{name => Name, pid => undefined, helper => undefined, num_sockets => 0, protections => #{}};
info(Name, {Lane, _}) ->
    case gosocket_wait:ask_lane(Lane, info) of
        {error, closed} -> info(Name, none);
        Info -> Info#{name => Name, pid => Lane}
    end.

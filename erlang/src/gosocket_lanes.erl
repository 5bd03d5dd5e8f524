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

%% Somebody else's lane that does not start is gone when it is asked for again.
-define(ATTEMPTS, 2).

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
%% kernel keeps it keeps. The same goes for a lane of the configuration, which is started with that. Until it is stopped it has the
%% name, whether its helper lives or not; one that only somebody's use has started, as long as it runs. Settings that are not understood are a
%% badarg. Fails with `system_limit' when there are 192, and otherwise as `gosocket:open/4' does.
-spec start(name(), settings()) -> {ok, pid()} | {error, {already_started, pid()} | system_limit | atom()}.
start(Name, Settings) when is_atom(Name); tuple_size(Name) =:= 2, element(1, Name) =:= default ->
    case gosocket_configuration:is_good(Settings) of
        true -> start(Name, Settings, ?ATTEMPTS);
        false -> erlang:error(badarg, [Name, Settings])
    end;
start(Name, Settings) ->
    erlang:error(badarg, [Name, Settings]).

%% Its helper has its hello still to say, or what it does not like of the settings.
-spec start(name(), settings(), Attempts :: pos_integer()) -> {ok, pid()} | {error, {already_started, pid()} | atom()}.
start(Name, Settings, Attempts) ->
    case gosocket_start:new_lane(Name, Settings) of
        {ok, Lane, Number} ->
            case says_hello(Number) of
                ok -> {ok, Lane};
                {error, Reason} -> refused(Reason, Number, [Name, Settings])
            end;
        {error, {already_started, _}} = Already ->
            case says_hello(Name) of
                ok -> Already;
                {error, _} when Attempts > 1 -> start(Name, Settings, Attempts - 1);
                {error, Reason} -> {error, Reason}
            end;
        {error, no_lane} ->
            erlang:error(badarg, [Name, Settings]);
        {error, Reason} ->
            {error, Reason}
    end.

%% It answers any question after that.
-spec says_hello(Number :: non_neg_integer() | name()) -> ok | {error, atom()}.
says_hello(Number) when is_integer(Number) ->
    case gosocket_wait:open(plain, {supports, started}, false, Number) of
        {ok, _} -> ok;
        {error, Reason} -> {error, Reason}
    end;
says_hello(Name) ->
    case gosocket_names:find(Name) of
        {ok, Number} -> says_hello(Number);
        {error, {no_lane, _}} -> {error, closed};
        {error, Reason} -> {error, Reason}
    end.

%% By its number: the name may be that of somebody else's lane by now, or of all default lanes.
-spec refused(atom(), Number :: non_neg_integer(), [name() | settings()]) -> {error, atom()} | no_return().
refused(Reason, Number, [_, Settings] = Arguments) ->
    _ = gosocket_start:end_lane(Number),
    _ = Reason =:= einval andalso map_size(Settings) > 0 andalso erlang:error(badarg, Arguments),
    {error, Reason}.

%% @doc Ends it in order: its sockets close, and whoever waits is answered with `closed'. One that was started by {@link start/2} is
%% forgotten; others start again when they are next used.
-spec stop(name()) -> ok | {error, {no_lane, name()} | closed}.
stop(Name) ->
    case gosocket_names:find(Name) of
        {ok, Number} when Name =/= default -> gosocket_start:end_lane(Number);
        {ok, _} -> stop_defaults();
        {error, {no_lane, _}} = Error -> Error;
        {error, _} -> {error, closed}
    end.

-spec stop_defaults() -> ok | {error, closed}.
stop_defaults() ->
    Ends = [gosocket_start:end_lane(Number) || Number <- gosocket_names:defaults()],
    case lists:usort(Ends) -- [ok] of
        [] -> ok;
        [Error | _] -> Error
    end.

%% @doc The names of the lanes that run.
-spec which() -> [name()].
which() ->
    [Name || {Name, _, _} <- gosocket_names:running()].

%% @doc What runs of a lane, and what of docs/security.md is active in its helper.
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

%% @private
%% @doc What a lane is started with: the variables of the application, in place of these what the variable `lanes' says of that
%% lane, and what `gosocket_lanes:start/2' was given, which takes rights away but adds none.
-module(gosocket_configuration).

-export([lanes/0,
         lane/1,
         defaults/0,
         wrong/1,
         settings/2,
         own/2,
         wrong_given/1,
         starts/0]).

-export_type([settings/0]).

-type settings() :: #{Setting :: atom() => term()}.

%% What callers and the registry ask for is changed while lanes run: there is no copy of the variable in a lane's settings.
-define(ASKED, [use_registry, debug, socket_debug]).

%% More would not leave much for lanes with names.
-define(MOST_DEFAULTS, 64).

%% @doc Those of the variable `lanes', a list or map of `{Name, Settings}', the settings of which are one, too.
-spec lanes() -> {ok, #{gosocket_lanes:name() => settings()}} | {error, Wrong :: term()}.
lanes() ->
    case application:get_env(gosocket, lanes, []) of
        Lanes when is_map(Lanes); is_list(Lanes) ->
            try maps:map(fun(Name, Settings) when is_atom(Name), Name =/= default -> map(Settings) end, map(Lanes)) of
                Maps -> {ok, Maps}
            catch
                error:_ -> {error, {lanes, Lanes}}
            end;
        Wrong ->
            {error, {lanes, Wrong}}
    end.

%% What is said twice has one meaning too many.
-spec map(map() | [{term(), term()}]) -> map().
map(Map) when is_map(Map) ->
    Map;
map(List) ->
    Map = maps:from_list(List),
    true = map_size(Map) =:= length(List),
    Map.

-spec lane(gosocket_lanes:name()) -> {ok, settings()} | none | {error, Wrong :: term()}.
lane(Name) ->
    case lanes() of
        {ok, _} when Name =:= default; is_tuple(Name) -> {ok, #{}};
        {ok, #{Name := Settings}} -> checked(Name, Settings);
        {ok, _} -> none;
        {error, Wrong} -> {error, Wrong}
    end.

-spec checked(gosocket_lanes:name(), settings()) -> {ok, settings()} | {error, Wrong :: term()}.
checked(Name, Settings) ->
    Starts = [{start, Start, "has to be application or use"}
              || #{start := Start} <- [Settings], not lists:member(Start, [application, use])],
    case Starts ++ gosocket_schema:wrong(maps:remove(start, Settings)) of
        [] -> {ok, Settings};
        Wrong -> {error, {lanes, Name, Wrong}}
    end.

%% @doc What is not understood of the settings of a lane, and of all variables. (One of these is OTP's. A rule whose name is misspelt would
%% be none. What narrows an allow-list has been looked at when it was given.)
-spec wrong(settings()) -> [gosocket_schema:wrong()].
wrong(Settings) ->
    Variables = maps:without([included_applications, lanes, default_lanes], maps:from_list(application:get_all_env(gosocket))),
    Defaults = case defaults() of
                   {error, {_, Count}} -> [{default_lanes, Count, "has to be an integer from 1 to 64"}];
                   _ -> []
               end,
    lists:usort(Defaults ++ gosocket_schema:wrong(Variables) ++ gosocket_schema:wrong(maps:remove(narrow, Settings))).

%% @doc Those that start with the application.
-spec starts() -> [gosocket_lanes:name()].
starts() ->
    case lanes() of
        {ok, Lanes} -> [Name || {Name, #{start := application}} <- maps:to_list(Lanes)];
        {error, _} -> []
    end.

%% @doc How many default lanes there are. The first open of all may ask before the application is loaded, and what the node's
%% configuration says is known from then on; the application itself has a value for this.
-spec defaults() -> pos_integer() | {error, Wrong :: term()}.
defaults() ->
    case application:get_env(gosocket, default_lanes) of
        {ok, Count} ->
            defaults(Count);
        undefined ->
            _ = gosocket_start:load(),
            defaults(application:get_env(gosocket, default_lanes, 1))
    end.

-spec defaults(term()) -> pos_integer() | {error, Wrong :: term()}.
defaults(Count) when is_integer(Count), Count >= 1, Count =< ?MOST_DEFAULTS -> Count;
defaults(Wrong) -> {error, {default_lanes, Wrong}}.

%% @doc The settings of a lane for which the configuration says this, and its start that. `narrow' among them is an allow-list
%% beside the one that is configured: what is to be allowed has to be by both. No lane starts with what is not understood.
-spec settings(Configured :: settings(), Given :: settings()) -> settings().
settings(Configured, Given) ->
    Variables = maps:from_list([{Setting, Value} || Setting <- gosocket_schema:settings() -- ?ASKED,
                                                    {ok, Value} <- [variable(Setting)]]),
    Base = maps:merge(Variables, maps:remove(start, Configured)),
    case gosocket_schema:wrong(Base) of
        [] -> maps:fold(fun narrow/3, Base, Given);
        _ -> Base
    end.

-spec variable(atom()) -> {ok, term()} | undefined.
variable(helper) ->
    case os:getenv("GOSOCKET_HELPER") of
        [_ | _] = Path -> {ok, Path};
        _ -> application:get_env(gosocket, helper)
    end;
variable(Setting) ->
    application:get_env(gosocket, Setting).

-spec narrow(atom(), term(), settings()) -> settings().
narrow(capabilities, Names, #{capabilities := Kept} = Base) -> Base#{capabilities := [Name || Name <- Kept, lists:member(Name, Names)]};
narrow(allow, Rules, #{allow := _} = Base) -> Base#{narrow => Rules};
narrow(Switch, Is, Base) when Switch =:= system_call_filter; Switch =:= landlock ->
    Base#{Switch => Is orelse maps:get(Switch, Base, false)};
narrow(Setting, Value, Base) -> Base#{Setting => Value}.

%% @doc What of this is asked for by name.
-spec own(Configured :: settings(), Given :: settings()) -> settings().
own(Configured, Given) ->
    maps:with(?ASKED, maps:merge(Configured, Given)).

%% @doc What of this no lane can be started with. Which program runs is for the configuration to say: another one may have other rights.
-spec wrong_given(Given :: term()) -> [gosocket_schema:wrong()].
wrong_given(#{helper := Helper} = Given) ->
    [{helper, Helper, "is for the configuration to say"} | wrong_given(maps:remove(helper, Given))];
wrong_given(Given) when is_map(Given) ->
    gosocket_schema:wrong(Given);
wrong_given(Given) ->
    [{settings, Given, "has to be a map"}].

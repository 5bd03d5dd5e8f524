%% Each setting, wherever it can be said, is understood or refused: with values of every type, and with names that are misspelt.
-module(gosocket_schema_SUITE).

-export([
    variables_are_understood_or_refused/1,
    settings_of_lanes_are_understood_or_refused/1,
    settings_of_start_are_understood_or_refused/1,
    misspelt_names_are_refused/1,
    default_lanes_are_understood_or_refused/1,
    what_is_said_twice_is_refused/1,
    a_wrong_variable_beside_a_good_start_is_refused/1,
    options_of_open_are_understood_or_refused/1,
    rights_with_a_misspelt_key_are_refused/1
]).

-import(gosocket_test_lanes, [fresh/2]).

-define(OURS, gosocket_test_lib:cases(?MODULE)).
-define(BESIDE, [variables_are_understood_or_refused, settings_of_lanes_are_understood_or_refused,
                 settings_of_start_are_understood_or_refused, misspelt_names_are_refused]).
-include("gosocket_test.hrl").

%% What the README says each may be.
-spec documented() -> #{atom() => fun((term()) -> boolean())}.
documented() ->
    Between = fun(Least, Most) -> fun(Value) -> is_integer(Value) andalso Value >= Least andalso Value =< Most end end,
    Among = fun(Values) -> fun(Value) -> lists:any(fun(Good) -> Good =:= Value end, Values) end end,
    Boolean = Among([true, false]),
    Empty = Among([[], [net_raw]]),
    maps:merge(
        #{helper => Among(["1", "true", "/nowhere/helper", <<"1">>]),
          loops => Between(1, 16), spin_us => Between(0, 1000000), window => Between(4096, 4032 * 1024),
          lane_spin => Between(0, 4294967295), caller_spin => Between(0, 4294967295), send_ahead => Between(0, 2147483647),
          log_level => Among([debug, info, warn, error]), capabilities => Empty, allow => Among([[], #{}, [{domains, [inet]}]])},
        maps:from_list([{Limit, Between(0, (1 bsl 63) - 1)} || Limit <- [parked_limit, socket_limit, waiting_limit, select_limit, unread_limit,
                                                                        received_limit, memory_limit]]
                       ++ [{Switch, Boolean} || Switch <- [system_call_filter, landlock, use_registry, debug, socket_debug]])).

%% Of every type, and on both sides of every bound.
-spec values() -> [term()].
values() ->
    [true, false, undefined, '', debug, info, warn, error, trace, many, application, 1.0, "", "1", "true", "/nowhere/helper", <<>>, <<"1">>,
     [true], [1.0], [many], [many | many], [net_raw], [{many, 1}], [{domains, [inet]}], [0], {}, {1, 2}, #{}, #{many => 1}, self(), make_ref(), fun self/0]
    ++ lists:usort([Bound + Offset || Bound <- [0, 16, 4096, 1000000, 4032 * 1024, 1 bsl 31, 1 bsl 32, 1 bsl 63, 1 bsl 64], Offset <- [-1, 0, 1]]).

-spec misspelt(atom()) -> [atom() | string() | binary()].
misspelt(Setting) ->
    Name = atom_to_list(Setting),
    [list_to_atom(Other) || Other <- [tl(Name), lists:droplast(Name), Name ++ "s", string:uppercase(Name)], Other =/= "debug"] ++ [Name, list_to_binary(Name)].

%% Under this setting, in a node where the application has been started for it. What only a machine lacks (a protection, the helper
%% of that path) is no answer to a setting.
-spec is_refused(fun(() -> term())) -> boolean().
is_refused(Use) ->
    _ = application:stop(gosocket),
    Result = try Use() catch error:badarg -> refused end,
    Result =:= refused orelse Result =:= {error, einval}.

-spec with_variable(atom(), term(), fun(() -> Result)) -> Result.
with_variable(Variable, Value, Use) ->
    ok = application:set_env(gosocket, Variable, Value),
    try
        Use()
    after
        ok = application:unset_env(gosocket, Variable)
    end.

%% In a fresh node: whether each of these values is refused for each of these settings, by this use of it.
-spec sweep([atom()], fun((atom(), term()) -> boolean())) -> [{atom(), term(), boolean()}].
sweep(Settings, Use) ->
    ok = application:load(gosocket),
    [{Setting, Value, Use(Setting, Value)} || Setting <- Settings, Value <- values()].

-spec check([{atom(), term(), Refused :: boolean()}], Printed :: binary()) -> term().
check(Results, Printed) ->
    Documented = documented(),
    Lacking = lacking(),
    ?assertEqual([], [Result || {Setting, Value, Refused} = Result <- Results,
                                Refused =:= (maps:get(Setting, Documented))(Value), not lists:member({Setting, Value}, Lacking)]),
    [?assertMatch({_, {match, _}}, {Setting, re:run(Printed, ["(: ", atom_to_list(Setting), ": )|(is nothing that docs/security.md has)"])})
     || {Setting, _, true} <- Results],
    ok.

%% Where the kernel has not got it the helper does not start, and says so.
-spec lacking() -> [{atom(), term()}].
lacking() ->
    [{Switch, true} || Switch <- [system_call_filter, landlock],
                       is_refused(fun() -> element(1, fresh([{Switch, true}], fun() -> ?S:open(inet, dgram) end)) end)].

-spec open(gosocket_lanes:name()) -> term().
open(Lane) ->
    ?S:open(inet, dgram, udp, #{lane => Lane}).

-spec variables_are_understood_or_refused(config()) -> term().
variables_are_understood_or_refused(_) ->
    Settings = maps:keys(documented()) -- [helper], % GOSOCKET_HELPER goes before it
    {Results, Printed} = fresh([], fun() ->
        sweep(Settings, fun(Setting, Value) -> with_variable(Setting, Value, fun() -> is_refused(fun() -> open(default) end) end) end)
    end),
    check(Results, Printed).

-spec settings_of_lanes_are_understood_or_refused(config()) -> term().
settings_of_lanes_are_understood_or_refused(_) ->
    {Results, Printed} = fresh([], fun() ->
        sweep(maps:keys(documented()), fun(Setting, Value) ->
            with_variable(lanes, [{own, #{Setting => Value}}], fun() -> is_refused(fun() -> open(own) end) end)
        end)
    end),
    check(Results, Printed).

-spec settings_of_start_are_understood_or_refused(config()) -> term().
settings_of_start_are_understood_or_refused(_) ->
    {Results, _} = fresh([], fun() ->
        sweep(maps:keys(documented()), fun(Setting, Value) -> is_refused(fun() -> gosocket_lanes:start(own, #{Setting => Value}) end) end)
    end),
    Documented = (documented())#{helper => fun(_) -> false end},
    Lacking = lacking(),
    ?assertEqual([], [Result || {Setting, Value, Refused} = Result <- Results,
                                Refused =:= (maps:get(Setting, Documented))(Value), not lists:member({Setting, Value}, Lacking)]).

%% Each with a value that it would have.
-spec misspelt_names_are_refused(config()) -> term().
misspelt_names_are_refused(_) ->
    Good = #{helper => "/nowhere/helper", loops => 1, window => 65536, log_level => info, capabilities => [], allow => []},
    Named = [{Name, maps:get(Setting, Good, case is_switch(Setting) of true -> false; false -> 10 end)}
             || Setting <- [lanes, default_lanes, start | maps:keys(documented())], Name <- misspelt(Setting)],
    {Results, _} = fresh([], fun() ->
        ok = application:load(gosocket),
        [{Name, [is_refused(fun() -> with_variable(Name, Value, fun() -> open(default) end) end) || is_atom(Name)]
                ++ [is_refused(fun() -> with_variable(lanes, #{own => #{Name => Value}}, fun() -> open(own) end) end),
                    is_refused(fun() -> gosocket_lanes:start(own, #{Name => Value}) end)]}
         || {Name, Value} <- Named]
    end),
    ?assertEqual([], [Result || {_, Refused} = Result <- Results, lists:member(false, Refused)]).

-spec is_switch(atom()) -> boolean().
is_switch(Setting) -> lists:member(Setting, [system_call_filter, landlock, use_registry, debug, socket_debug]).

%% Whoever opens, of whatever lane.
-spec default_lanes_are_understood_or_refused(config()) -> term().
default_lanes_are_understood_or_refused(_) ->
    {Results, _} = fresh([{lanes, [{own, #{}}]}], fun() ->
        ok = application:load(gosocket),
        [{Value, Lane, with_variable(default_lanes, Value, fun() -> is_refused(fun() -> open(Lane) end) end)}
         || Value <- values(), Lane <- [default, own]]
    end),
    ?assertEqual([], [Result || {Value, _, Refused} = Result <- Results, Refused =:= (is_integer(Value) andalso Value >= 1 andalso Value =< 64)]).

-spec what_is_said_twice_is_refused(config()) -> term().
what_is_said_twice_is_refused(_) ->
    {Results, _} = fresh([], fun() ->
        ok = application:load(gosocket),
        [with_variable(lanes, Lanes, fun() -> is_refused(fun() -> open(own) end) end)
         || Lanes <- [[{own, #{}}, {own, #{loops => 1}}], [{own, [{loops, 1}, {loops, 1}]}], [{own, [{loops, 1}, {spin_us, 1}]}]]]
    end),
    ?assertEqual([true, true, false], Results).

%% Nobody but the caller hears of it: what names lanes goes on.
-spec a_wrong_variable_beside_a_good_start_is_refused(config()) -> term().
a_wrong_variable_beside_a_good_start_is_refused(_) ->
    {Results, _} = fresh([], fun() ->
        ok = application:load(gosocket),
        {ok, _} = open(default),
        Names = whereis(gosocket_names),
        [{with_variable(Variable, Value, fun() -> try gosocket_lanes:start(own, Given) catch error:badarg -> refused end end), whereis(gosocket_names) =:= Names}
         || {Variable, Value, Given} <- [{capabilities, net_raw, #{capabilities => []}}, {capabilities, [net_raw | net_admin], #{capabilities => []}},
                                         {landlock, sometimes, #{landlock => false}}, {allow, many, #{allow => []}}, {loops, many, #{loops => 1}}]]
    end),
    ?assertEqual([], [Result || {Answer, Same} = Result <- Results, not Same orelse Answer =/= refused andalso Answer =/= {error, einval}]).

%% It is named.
-spec options_of_open_are_understood_or_refused(config()) -> term().
options_of_open_are_understood_or_refused(_) ->
    {ok, Socket} = ?S:open(inet, dgram),
    FD = gosocket_test_fd:fd(Socket),
    Flag = fun is_boolean/1,
    Text = fun(Value) -> is_binary(Value) orelse io_lib:char_list(Value) end,
    [begin
         Answer = try Open(#{Option => Value}) of {ok, Opened} -> close(Opened), understood; {error, _} -> understood catch error:Reason -> Reason end,
         Expected = case Good(Value) of true -> understood; false -> {invalid, {Option, Value}} end,
         ?assertEqual({Option, Value, Expected}, {Option, Value, Answer})
     end || {Open, Options} <- [{fun(Opts) -> ?S:open(inet, dgram, udp, Opts) end, [{netns, Text}, {debug, Flag}, {use_registry, Flag}]},
                                {fun(Opts) -> ?S:open(FD, Opts#{lane => Socket}) end, [{dup, Flag}, {debug, Flag}, {use_registry, Flag}]}],
            {Option, Good} <- Options, Value <- values()],
    close(Socket).

%% Who means `lane' has said whose the descriptors are.
-spec rights_with_a_misspelt_key_are_refused(config()) -> term().
rights_with_a_misspelt_key_are_refused(_) ->
    {A, B} = pair({local, stream}),
    Send = fun(More) ->
        Rights = #{level => socket, type => rights, data => <<(gosocket_test_fd:fd(A)):32/native>>, lane => A},
        ?S:sendmsg(A, #{iov => [<<"x">>], ctrl => [maps:merge(Rights, More)]})
    end,
    [?assertEqual({Key, {error, einval}}, {Key, Send(#{Key => A})}) || Key <- [lnae, lanes, 'Lane', "lane", <<"lane">>, value]],
    ?assertEqual(ok, Send(#{})),
    close({A, B}).

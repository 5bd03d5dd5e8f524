%% @private
%% @doc Tables of the sockets and of the lanes for people at a shell.
-module(gosocket_table).

-export([print/0,
         print/1]).

-define(FIELDS, [fd, domain, type, protocol, recv, sent, owner, local_address, foreign_address, state]).

%% Of a lane what `gosocket_metrics' tells of it, whose keys these are.
-define(LANE_COLUMNS, [{"Sockets", sockets}, {"Waiting", waiting}, {"Selects", selects}, {"FDs", descriptors}, {"Parked", parked_bytes},
                       {"Unread", unread_bytes}, {"In", bytes_in}, {"Out", bytes_out}, {"Memory", memory_bytes}, {"Queue", queue},
                       {"Starts", starts}]).

%% The sockets, and below them the lanes, where there are several.
-spec print() -> ok.
print() ->
    print_all(gosocket_registry:sockets()),
    case gosocket_lanes:which() -- [default] of
        [] -> ok;
        _ -> io:put_chars([$\n | lanes()])
    end.

%% @doc Rows are in the order in which the sockets were opened.
-spec print(Fields | Filter) -> ok when
      Fields :: [gosocket:table_field()],
      Filter :: lanes | atom() | pid() | fun((gosocket:socket_info()) -> boolean()).
print(lanes) ->
    io:put_chars(lanes());
print(Fields) when is_list(Fields) ->
    print(Fields, gosocket_registry:sockets());
print(Filter) ->
    print_all(gosocket_registry:sockets(Filter)).

%% With their lanes, where these are several.
-spec print_all([gosocket:socket()]) -> ok.
print_all(Sockets) ->
    case lists:usort([gosocket_names:of_socket(Socket) || Socket <- Sockets]) -- [default] of
        [] -> print(?FIELDS, Sockets);
        _ -> print([lane | ?FIELDS], Sockets)
    end.

-spec print([gosocket:table_field()], [gosocket:socket()]) -> ok.
print(Fields, Sockets) ->
    Title = [title(Field) || Field <- Fields],
    io:put_chars(lines([Title | [row(Fields, Socket) || Socket <- lists:reverse(Sockets)]])).

%% Of those that run.
-spec lanes() -> iolist().
lanes() ->
    {Titles, Keys} = lists:unzip(?LANE_COLUMNS),
    lines([["Lane", "Helper" | Titles]
           | [[text(Name), text(helper(Name)) | [text(maps:get(Key, Statistics)) || Key <- Keys]]
              || {Name, Statistics} <- gosocket_metrics:statistics()]]).

-spec helper(gosocket_lanes:name()) -> OsPid :: pos_integer() | undefined.
helper(Name) ->
    #{helper := Helper} = gosocket_lanes:info(Name),
    Helper.

-spec lines([[string()], ...]) -> iolist().
lines([Title | _] = Rows) ->
    Widths = lists:foldl(fun(Row, Widths) -> lists:zipwith(fun erlang:max/2, Widths, lengths(Row)) end, lengths(Title), Rows),
    [line(Row, Widths) || Row <- Rows].

-spec lengths([string()]) -> [non_neg_integer()].
lengths(Row) ->
    [string:length(Cell) || Cell <- Row].

-spec line([string()], [non_neg_integer()]) -> iolist().
line(Row, Widths) ->
    Padded = lists:zipwith(fun(Cell, Width) -> string:pad(Cell, Width) end, Row, Widths),
    [string:trim(lists:join(" ", Padded), trailing), $\n].

-spec title(gosocket:table_field()) -> string().
title(lane) -> "Lane";
title(fd) -> "FD";
title(domain) -> "Domain";
title(type) -> "Type";
title(protocol) -> "Protocol";
title(recv) -> "Recv";
title(sent) -> "Sent";
title(owner) -> "Owner";
title(local_address) -> "Local Address";
title(foreign_address) -> "Foreign Address";
title(state) -> "State".

-spec row([gosocket:table_field()], gosocket:socket()) -> [string()].
row(Fields, Socket) ->
    Info = gosocket:info(Socket),
    [cell(Field, Socket, Info) || Field <- Fields].

-spec cell(gosocket:table_field(), gosocket:socket(), gosocket:socket_info()) -> string().
cell(fd, Socket, _) ->
    case gosocket:getopt(Socket, otp, fd) of
        {ok, FD} -> integer_to_list(FD);
        {error, _} -> ""
    end;
cell(lane, Socket, _) -> text(gosocket_names:of_socket(Socket));
cell(protocol, Socket, #{domain := Domain, protocol := Number}) when is_integer(Number), Domain =/= packet ->
    %% info/1 has names for a few of them only, as in OTP
    case gosocket:getopt(Socket, socket, protocol) of
        {ok, Name} -> text(Name);
        {error, _} -> integer_to_list(Number)
    end;
cell(recv, _, #{counters := #{read_byte := Bytes}}) -> integer_to_list(Bytes);
cell(sent, _, #{counters := #{write_byte := Bytes}}) -> integer_to_list(Bytes);
cell(owner, _, #{ctrl := Owner}) -> text(Owner);
cell(local_address, Socket, _) -> address(gosocket:sockname(Socket));
cell(foreign_address, Socket, _) -> address(gosocket:peername(Socket));
cell(state, Socket, Info) -> state(Socket, Info);
cell(Field, _, Info) -> text(maps:get(Field, Info)).

-spec text(term()) -> string().
text(Term) ->
    lists:flatten(io_lib:format("~tp", [Term])).

%% The port of a raw socket is its protocol, or nothing.
-spec state(gosocket:socket(), gosocket:socket_info()) -> string().
state(_Socket, #{num_acceptors := N}) when N > 0 ->
    "ACCEPTING";
state(Socket, #{type := Type}) ->
    case {gosocket:getopt(Socket, socket, acceptconn), gosocket:peername(Socket), gosocket:sockname(Socket)} of
        {{ok, true}, _, _} -> "LISTENING";
        {_, {ok, _}, _} -> "CONNECTED";
        {_, _, {error, closed}} -> "CLOSED";
        {_, _, {ok, #{port := Port}}} when Port > 0, Type =/= raw -> "BOUND";
        {_, _, {ok, #{path := [_ | _]}}} -> "BOUND";
        _ -> "IDLE"
    end.

-spec address({ok, gosocket:sockaddr()} | {error, term()}) -> string().
address({ok, #{family := inet, addr := Addr, port := Port}}) -> inet(Addr) ++ port(Port);
address({ok, #{family := inet6, addr := Addr, port := Port}}) -> inet6(Addr) ++ port(Port);
address({ok, #{family := local, path := Path}}) -> path(Path);
address({ok, #{family := packet, ifindex := Index, addr := Addr}}) -> "if" ++ integer_to_list(Index) ++ mac(Addr);
address({error, _}) -> "".

-spec mac(binary()) -> string().
mac(<<>>) ->
    "";
mac(Addr) ->
    lists:flatten(["/" | lists:join(":", [io_lib:format("~2.16.0b", [Byte]) || <<Byte>> <= Addr])]).

-spec port(gosocket:port_number()) -> string().
port(0) -> ":*";
port(Port) -> ":" ++ integer_to_list(Port).

-spec inet(tuple()) -> string().
inet({0, 0, 0, 0}) -> "*";
inet(Addr) -> lists:flatten(lists:join(".", [integer_to_list(Part) || Part <- tuple_to_list(Addr)])).

-spec inet6(tuple()) -> string().
inet6({0, 0, 0, 0, 0, 0, 0, 0}) -> "*";
inet6(Addr) -> "[" ++ compressed([string:lowercase(integer_to_list(Part, 16)) || Part <- tuple_to_list(Addr)]) ++ "]".

%% RFC 5952: the longest run of zeros, the first one of several, of two at least.
-spec compressed([string()]) -> string().
compressed(Words) ->
    Runs = [{-zeros(lists:nthtail(At, Words)), At} || At <- lists:seq(0, 7)],
    case lists:min(Runs) of
        {Run, At} when Run < -1 -> joined(lists:sublist(Words, At)) ++ "::" ++ joined(lists:nthtail(At - Run, Words));
        _ -> joined(Words)
    end.

-spec zeros([string()]) -> non_neg_integer().
zeros(Words) ->
    length(lists:takewhile(fun(Word) -> Word =:= "0" end, Words)).

-spec joined([string()]) -> string().
joined(Words) ->
    lists:flatten(lists:join(":", Words)).

%% An abstract one begins with a zero; ss(8) shows it as `@', too.
-spec path(string() | binary()) -> string().
path([0 | Name]) ->
    [$@ | path(Name)];
path(Path) ->
    [case C of
         _ when C >= $\s, C =< $~ -> C;
         _ -> $?
     end || C <- Path].
